// The one session of this tab.
import { browserGround } from './ground'
import { makeSession } from './session'
import { sessionStore } from './store'

export const session = makeSession(browserGround(), sessionStore)
export { sessionStore, useSession } from './store'
export type { Account, Notice, SessionState, Subscription, User } from './store'
