// A refusal as every screen meets it, whether it came from the proxy, the core, the app, or from no one at all.

/** What the browser itself reports when nothing answered: offline, a broken connection, a name that does not resolve. */
export const UNREACHABLE = 'unreachable'

export interface RefusalFacts {
  code: string
  status: number
  message: string
  requestId?: string | undefined
  fields?: Record<string, string> | undefined
  retryAfterSeconds?: number | undefined
}

export class Refusal extends Error {
  readonly code: string
  readonly status: number
  readonly requestId: string | undefined
  /** What is wrong, field by field; empty where it is not about fields. */
  readonly fields: Record<string, string>
  readonly retryAfterSeconds: number | undefined

  constructor(facts: RefusalFacts) {
    super(facts.message)
    this.name = 'Refusal'
    this.code = facts.code
    this.status = facts.status
    this.requestId = facts.requestId
    this.fields = facts.fields ?? {}
    this.retryAfterSeconds = facts.retryAfterSeconds
  }

  /** Whether asking again later may well succeed. */
  get isPassing(): boolean {
    return this.code === UNREACHABLE || this.status === 429 || this.status >= 500
  }
}

export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  return new Refusal({ code: 'unexpected', status: 0, message: 'Something went wrong on this page.' })
}

export function unreachable(): Refusal {
  return new Refusal({ code: UNREACHABLE, status: 0, message: 'The server cannot be reached.' })
}

/** Reads `Retry-After`: seconds, or a date as HTTP writes it. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\d+$/.test(header.trim())) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

/** Makes a refusal of an answer that is not 2xx. `body` is its JSON, or undefined where it was none. */
export function refusalOf(response: Response, body: unknown, now = Date.now()): Refusal {
  const object = isObject(body) ? body : {}
  const wait = retryAfter(response.headers.get('Retry-After'), now)
  const base = { status: response.status, retryAfterSeconds: wait }
  if (typeof object.code === 'string') {
    return new Refusal({
      ...base,
      code: object.code,
      message: text(object.error) ?? 'The request was refused.',
      requestId: text(object.request_id),
      fields: fieldsOf(object.fields),
    })
  }
  // The example app speaks Django REST framework's dialect: `detail`, or a list of sentences for each field.
  const detail = text(object.detail)
  const fields = response.status === 400 && detail === undefined ? fieldsOf(object) : undefined
  return new Refusal({
    ...base,
    code: fields ? 'validation_failed' : `status_${String(response.status)}`,
    message: detail ?? (fields ? 'Some fields are not right.' : 'The request was refused.'),
    fields,
  })
}

function fieldsOf(value: unknown): Record<string, string> | undefined {
  if (!isObject(value)) return undefined
  const found: Record<string, string> = {}
  for (const [name, said] of Object.entries(value)) {
    const first: unknown = Array.isArray(said) ? said[0] : said
    if (typeof first === 'string') found[name] = first
  }
  return Object.keys(found).length > 0 ? found : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
