// Who is signed in. The access token lives here, in memory, and nowhere else.
import { useStore } from 'zustand'
import { createStore } from 'zustand/vanilla'
import type { components } from '@/shared/api/schema'

export type SignedInAnswer = components['schemas']['SignedIn']
export type User = components['schemas']['User']
export type Account = components['schemas']['Account']
export type Subscription = components['schemas']['Subscription']

/** A thing worth telling that is not about one screen. */
export type Notice = 'superuser_session_blocked' | 'session_not_allowed' | 'sign_out_unconfirmed'

export interface SessionState {
  /** `unknown` until the first look at the server has been answered. */
  status: 'unknown' | 'signed-out' | 'signed-in'
  /** Why nobody is signed in: never was, signed out, or the sign-in ended by itself. */
  reason: 'never' | 'left' | 'ended'
  access: string | null
  /** Milliseconds since 1970 at which the token ends. */
  expiresAt: number
  user: User | null
  notice: Notice | null
}

export const signedOut = (reason: SessionState['reason']): SessionState => ({
  status: 'signed-out',
  reason,
  access: null,
  expiresAt: 0,
  user: null,
  notice: null,
})

export const makeSessionStore = () =>
  createStore<SessionState>(() => ({ ...signedOut('never'), status: 'unknown' }))

export type SessionStore = ReturnType<typeof makeSessionStore>

export const sessionStore = makeSessionStore()

export function useSession<T>(select: (state: SessionState) => T): T {
  return useStore(sessionStore, select)
}
