export const membersKey = ['account', 'members']
