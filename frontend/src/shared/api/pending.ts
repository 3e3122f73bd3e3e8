// Routes that the core's OpenAPI file does not describe yet, in the form of the generated types: when it does, a route is
// taken out here and nothing else changes.
import type { Answer as Sent, Empty, Enveloped, Operation } from './operation'

export interface ApiKey {
  id: number
  name: string
  /** What may be shown of it: `igk_` and eight characters. */
  prefix: string
  role: string
  created_at: string
  last_used_at: string | null
  expires_at: string | null
  revoked_at: string | null
}
export interface NewApiKey extends ApiKey {
  /** The whole key: shown once. */
  key: string
}
export interface Member {
  id: number
  email: string
  first_name: string
  last_name: string
  role: string
  status: string
  created_at: string
}
export interface SignIn {
  id: number
  user_agent: string | null
  ip_address: string | null
  created_at: string
  last_used_at: string | null
  is_current: boolean
}

interface Page<T> {
  items: T[]
  next?: string | null
}
type Answer<T> = Sent<Enveloped<T>>
interface WithId {
  id: number
}

export interface PendingPaths {
  '/api/v1/auth/sessions/': { get: Operation<Answer<Page<SignIn>>>; delete: Operation<Empty> }
  '/api/v1/auth/sessions/{id}/': { delete: Operation<Empty, never, WithId> }
  '/api/v1/auth/change-password/': {
    post: Operation<Empty, { current_password: string; new_password: string }>
  }
  '/api/v1/auth/password-reset/': { post: Operation<Empty, { email: string }> }
  '/api/v1/auth/password-reset/confirm/': { post: Operation<Empty, { token: string; password: string }> }
  '/api/v1/auth/verify-email/': { post: Operation<Empty, { token: string }> }
  '/api/v1/account/api-keys/': {
    get: Operation<Answer<Page<ApiKey>>>
    post: Operation<Answer<NewApiKey>, { name: string; role: string; expires_in_days?: number }>
  }
  '/api/v1/account/api-keys/{id}/rotate/': { post: Operation<Answer<NewApiKey>, never, WithId> }
  '/api/v1/account/api-keys/{id}/revoke/': { post: Operation<Empty, never, WithId> }
  '/api/v1/account/members/': {
    get: Operation<Answer<Page<Member>>>
    post: Operation<Answer<Member>, { email: string; role: string }>
  }
  '/api/v1/account/members/{id}/': {
    patch: Operation<Answer<Member>, { role: string }, WithId>
    delete: Operation<Empty, never, WithId>
  }
}
