// The API in tests: each answer is typed by what the generated description says of its route.
import { http, HttpResponse, type JsonBodyType } from 'msw'
import { setupServer } from 'msw/node'
import type { AppPaths } from '@/shared/api/example-app'
import type { paths } from '@/shared/api/schema'

type Paths = AppPaths & paths
type Method = 'get' | 'post' | 'patch' | 'delete'
type Json<Response> = Response extends { content: { 'application/json': infer Body } } ? Body : never
type Answer<P extends keyof Paths, M extends keyof Paths[P]> = Paths[P][M] extends { responses: infer R }
  ? Json<R[keyof R & (200 | 201)]>
  : never

export const server = setupServer()

const at = (path: string) => `*${path.replace(/\{(\w+)\}/g, ':$1')}`

/** Answers a route as the server would. */
export function answer<P extends keyof Paths, M extends Method & keyof Paths[P]>(
  method: M,
  path: P,
  body: Answer<P, M> | ((request: Request) => Answer<P, M>),
) {
  server.use(
    http[method](at(path), ({ request }) =>
      HttpResponse.json((typeof body === 'function' ? body(request) : body) as JsonBodyType),
    ),
  )
}

/** Refuses a route. */
export function refuse(
  method: Method,
  path: keyof Paths,
  status: number,
  code: string,
  more: { headers?: Record<string, string>; fields?: Record<string, string> } = {},
) {
  const body = { success: false, error: 'No.', code, request_id: 'r-1', fields: more.fields }
  server.use(
    http[method](at(path), () =>
      HttpResponse.json(body, { status, ...(more.headers ? { headers: more.headers } : {}) }),
    ),
  )
}
