// What a refusal means to the person before the screen: one place for every code that has a way out.
import { type Refusal, UNREACHABLE } from '@/shared/api/refusal'
import type { Tone } from './surface'

export interface Explanation {
  title: string
  advice: string
  tone: Tone
  link?: { to: string; label: string }
}

const toPlans = { to: '/account/upgrade', label: 'See the plans' }

const throttled: Explanation = {
  title: 'A little too fast',
  advice: 'There were more requests than your plan allows at once. Nothing is lost.',
  tone: 'warn',
}
const notFound: Explanation = {
  title: 'There is no such thing here',
  advice: 'It may have been deleted.',
  tone: 'note',
}

const known: Record<string, Explanation> = {
  [UNREACHABLE]: {
    title: 'No connection',
    advice: 'The server cannot be reached from here. Your work on this page is kept.',
    tone: 'warn',
  },
  insufficient_credits: {
    title: 'Not enough credits',
    advice: 'This costs more than you have left. Nothing was taken.',
    tone: 'warn',
    link: toPlans,
  },
  trial_ended: {
    title: 'Your trial has ended',
    advice: 'Everything you made is still here to read. Choose a plan to go on working.',
    tone: 'warn',
    link: toPlans,
  },
  payment_required: {
    title: 'A payment is due',
    advice: 'Everything you made is still here to read. Once the payment has arrived, work goes on.',
    tone: 'warn',
    link: { to: '/account/upgrade', label: 'See the payment' },
  },
  throttled,
  role_required: {
    title: 'Your role does not allow this',
    advice: 'Ask an owner or an admin of your account to do it, or to change your role.',
    tone: 'note',
    link: { to: '/account/members', label: 'See the members' },
  },
  account_suspended: {
    title: 'This account is suspended',
    advice: 'Please contact us: we will tell you why, and how to go on.',
    tone: 'bad',
  },
  account_cancelled: {
    title: 'This account has been cancelled',
    advice: 'Please contact us if you would like to have it back.',
    tone: 'bad',
  },
  account_missing: {
    title: 'This account is not there any more',
    advice: 'Sign out and in again; if that does not help, please contact us.',
    tone: 'bad',
  },
  superuser_session_blocked: {
    title: 'An administrator was signed in with this browser',
    advice: 'That session has no business here: it has been ended. Just try again.',
    tone: 'note',
  },
  session_not_allowed: {
    title: 'A session from the admin panel got in the way',
    advice: 'It does not count here and has been removed. Just try again.',
    tone: 'note',
  },
  totp_already_on: {
    title: 'The second factor is on already',
    advice: 'It was switched on elsewhere meanwhile. Load the page again.',
    tone: 'note',
  },
  invalid_credentials: {
    title: 'That did not match',
    advice: 'The e-mail address or the password is not right.',
    tone: 'bad',
  },
  totp_invalid: {
    title: 'That code did not work',
    advice: 'It may have been used already. Wait for the next one.',
    tone: 'bad',
  },
  link_invalid: {
    title: 'This link does not work any more',
    advice: 'It was used already or is too old. Please ask for a new one.',
    tone: 'warn',
  },
  invitation_invalid: {
    title: 'This invitation does not work any more',
    advice: 'It was used already or is too old. Please ask for a new one.',
    tone: 'warn',
  },
  not_found: notFound,
  signed_out: { title: 'You have been signed out', advice: 'Please sign in again.', tone: 'note' },
}

export function explain(refusal: Refusal): Explanation {
  const found = known[refusal.code]
  if (found) return found
  if (refusal.status === 404) return notFound
  if (refusal.status === 429) return throttled
  if (refusal.status >= 500) {
    return {
      title: 'We are not quite there',
      advice: 'A part of the service does not answer at the moment. Nothing was changed.',
      tone: 'warn',
    }
  }
  return { title: 'That did not work', advice: refusal.message, tone: 'bad' }
}
