// The form of a generated operation, to write one by hand in.
import type { components } from './schema'

export interface Answer<T> {
  headers: Record<string, unknown>
  content: { 'application/json': T }
}
export interface Enveloped<T> {
  success: boolean
  data: T
}
export interface Empty {
  headers: Record<string, unknown>
  content?: never
}

export type Operation<Ok, Body = never, Path = never> = {
  parameters: {
    query?: { cursor?: string; limit?: number; page?: number }
    header?: { 'Idempotency-Key'?: string | null }
    cookie?: never
  } & ([Path] extends [never] ? { path?: never } : { path: Path })
  responses: { 200: Ok; 400: Answer<components['schemas']['RefusalAnswer']> }
} & ([Body] extends [never]
  ? { requestBody?: never }
  : { requestBody: { content: { 'application/json': Body } } })
