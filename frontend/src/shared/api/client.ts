// The typed client. `api` speaks for whoever is signed in; `visitor` needs nobody. Neither ever sends a cookie.
import createClient from 'openapi-fetch'
import { session } from '@/shared/auth'
import type { AppPaths } from './example-app'
import { refusalOf, unreachable } from './refusal'
import type { paths } from './schema'

type Paths = paths & AppPaths

const common = { baseUrl: window.location.origin, credentials: 'omit', cache: 'no-store' } as const

export const api = createClient<Paths>({ ...common, fetch: (request) => session.send(request) })

export const visitor = createClient<Paths>({
  ...common,
  fetch: (request) =>
    fetch(request).catch(() => {
      throw unreachable()
    }),
})

interface Outcome<T> {
  data?: T | undefined
  error?: unknown
  response: Response
}

/** The answer as it is, or its refusal thrown. */
export async function plain<T>(pending: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await pending
  if (!response.ok) throw refusalOf(response, error)
  return data as T
}

/** The data within the core's envelope, or its refusal thrown. */
export async function data<T>(pending: Promise<Outcome<{ data: T }>>): Promise<T> {
  return (await plain(pending)).data
}

/** A new key for something that is to happen once, however often it is sent. */
export function newIdempotencyKey(): string {
  // Not randomUUID: that is missing on plain HTTP.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
