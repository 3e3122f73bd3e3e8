// Routes that the committed OpenAPI file does not describe yet, in the form of the generated types: when it does, a route is
// taken out here and nothing else changes.
import type { Answer as Sent, Empty, Enveloped, Operation } from './operation'
import type { components } from './schema'

export interface ApiKey {
  id: number
  name: string
  /** How the key begins, to tell keys apart. */
  prefix: string
  role: string
  /** `active`, `replaced` (rotated, and still working), `expired` or `revoked`. */
  status: string
  created_at: string
  last_used_at?: string | null
  expires_at?: string | null
  revoked_at?: string | null
}
export interface IssuedKey extends ApiKey {
  /** The whole key: told once. */
  key?: string | null
}
export interface Member {
  id: number
  email: string
  first_name: string
  last_name: string
  role: string
  is_active: boolean
  joined_at: string
}
export interface Invitation {
  id: number
  email: string
  role: string
  created_at: string
  expires_at: string
}
export interface IssuedInvitation extends Invitation {
  /** What the invited person joins with: told once. */
  token?: string | null
}
/** A running sign-in. */
export interface SignIn {
  id: number
  current: boolean
  address: string
  user_agent: string
  created_at: string
  last_used_at: string
  expires_at: string
}
export interface ChangePasswordBody {
  current_password: string
  new_password: string
}
export interface JoinBody {
  token: string
  password: string
  first_name?: string | null
  last_name?: string | null
}

type Answer<T> = Sent<Enveloped<T>>
type SignedIn = Answer<components['schemas']['SignedIn']>

interface Page<T> {
  items: T[]
  next?: string | null
}
interface WithId {
  id: number
}

export interface PendingPaths {
  '/api/v1/auth/refresh/': { post: Operation<SignedIn> }
  '/api/v1/auth/sessions/': { get: Operation<Answer<Page<SignIn>>>; delete: Operation<Empty> }
  '/api/v1/auth/sessions/{id}/': { delete: Operation<Empty, never, WithId> }
  '/api/v1/auth/change-password/': { post: Operation<SignedIn, ChangePasswordBody> }
  '/api/v1/auth/password-reset/': { post: Operation<Answer<unknown>, { email: string }> }
  '/api/v1/auth/password-reset/confirm/': { post: Operation<Empty, { token: string; new_password: string }> }
  '/api/v1/auth/verify-email/': { post: Operation<Empty, { token: string }> }
  '/api/v1/auth/invitations/accept/': { post: Operation<SignedIn, JoinBody> }
  '/api/v1/account/api-keys/': {
    get: Operation<Answer<Page<ApiKey>>>
    post: Operation<Answer<IssuedKey>, { name: string; role: string; expires_at?: string }>
  }
  '/api/v1/account/api-keys/{id}/rotate/': {
    post: Operation<Answer<IssuedKey>, { overlap_seconds?: number }, WithId>
  }
  '/api/v1/account/api-keys/{id}/revoke/': { post: Operation<Answer<ApiKey>, never, WithId> }
  '/api/v1/account/members/': { get: Operation<Answer<Page<Member>>> }
  '/api/v1/account/members/invite/': {
    post: Operation<Answer<IssuedInvitation>, { email: string; role: string }>
  }
  '/api/v1/account/members/invitations/': { get: Operation<Answer<Page<Invitation>>> }
  '/api/v1/account/members/invitations/{id}/revoke/': { post: Operation<Empty, never, WithId> }
  '/api/v1/account/members/{id}/role/': { post: Operation<Answer<Member>, { role: string }, WithId> }
  '/api/v1/account/members/{id}/remove/': { post: Operation<Empty, never, WithId> }
}
