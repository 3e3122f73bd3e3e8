// Signing up, in and out, and keeping an access token fresh: the only code that sends cookies, and only to the routes that
// give or take the refresh cookie.
//
// Nothing of one person is left when the next one comes: `register` and `login` sign out first, at the server and here. One
// tab at a time talks about the sign-in; the others are told what came of it.
import { Refusal, refusalOf, unreachable } from '@/shared/api/refusal'
import type { components } from '@/shared/api/schema'
import type { Ground } from './ground'
import { type Notice, type SessionStore, type SignedInAnswer, signedOut } from './store'

type LoginBody = components['schemas']['LoginBody']
type RegisterBody = components['schemas']['RegisterBody']
type JoinBody = components['schemas']['AcceptBody']
type ChangePasswordBody = components['schemas']['ChangePasswordBody']
type Entry = 'register' | 'login' | 'invitations/accept'
type AuthRoute = Entry | 'refresh' | 'logout' | 'change-password'
type AuthBody = LoginBody | RegisterBody | JoinBody | ChangePasswordBody

/** A token that ends sooner than this is renewed before it is used. */
const RENEW_BEFORE_MS = 10_000
/** Refusals that are about a cookie the browser brought, which the same answer has expired: asking again is clean. */
const STRAY_SESSIONS: readonly string[] = ['superuser_session_blocked', 'session_not_allowed']
/** A 401 that is about what was typed, and not about the token that it came with. */
const ABOUT_THE_FORM: readonly string[] = ['invalid_credentials', 'totp_invalid', 'totp_required']

export interface Session {
  /** Finds out, once, whether somebody is signed in. */
  start: () => Promise<void>
  login: (body: LoginBody) => Promise<void>
  register: (body: RegisterBody) => Promise<void>
  /** Joins the account that one was invited to. */
  join: (body: JoinBody) => Promise<void>
  /** Every other sign-in ends; this one goes on with new tokens. */
  changePassword: (body: ChangePasswordBody) => Promise<void>
  logout: () => Promise<void>
  /** Sends a request with the bearer token and no cookie; a 401 renews the token once, then signs out. */
  send: (request: Request) => Promise<Response>
  /** Called whenever what is known of a person has to be forgotten. */
  onForget: (listener: () => void) => void
  dismissNotice: () => void
}

export function makeSession(ground: Ground, store: SessionStore): Session {
  const forgetters: (() => void)[] = []
  let refreshing: Promise<void> | null = null
  // Raised with every signing in or out: an answer that belongs to an earlier one is not taken.
  let generation = 0

  function forget(reason: 'left' | 'ended' | 'never') {
    generation += 1
    ground.sweep()
    for (const listener of forgetters) listener()
    const { notice } = store.getState()
    store.setState({ ...signedOut(reason), notice: reason === 'left' ? null : notice })
  }

  function adopt(answer: SignedInAnswer) {
    generation += 1
    ground.hint.write()
    store.setState({
      status: 'signed-in',
      access: answer.access,
      expiresAt: ground.now() + answer.expires_in * 1000,
      user: answer.user,
    })
  }

  /** Another person has signed in with this browser: nothing of the first one may stay in this tab's memory. */
  function startAfresh() {
    forget('never')
    ground.hint.write()
    ground.leaveFor('/')
  }

  function tellPeople(notice: Notice) {
    store.setState({ notice })
  }

  async function ask(route: AuthRoute, body?: AuthBody, again = true): Promise<Response> {
    const headers = new Headers({ Accept: 'application/json' })
    if (body) headers.set('Content-Type', 'application/json')
    const { access } = store.getState()
    if ((route === 'logout' || route === 'change-password') && access)
      headers.set('Authorization', `Bearer ${access}`)
    const request = new Request(`${ground.origin}/api/v1/auth/${route}/`, {
      method: 'POST',
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const response = await ground.fetch(request).catch(() => {
      throw unreachable()
    })
    if (response.ok) return response
    const refusal = refusalOf(response, await jsonOf(response), ground.now())
    if (STRAY_SESSIONS.includes(refusal.code)) {
      tellPeople(refusal.code as Notice)
      if (again) return ask(route, body, false)
    }
    throw refusal
  }

  async function enter(route: Entry, body: LoginBody | RegisterBody | JoinBody) {
    await ground.alone(async () => {
      await ask('logout')
      forget('never')
      ground.tabs.tell({ type: 'signed-out' })
      const answer = await signedInAnswer(await ask(route, body))
      adopt(answer)
      ground.tabs.tell({ type: 'signed-in', answer })
    })
  }

  async function changePassword(body: ChangePasswordBody) {
    // The token must last: this route sets a cookie, so it is not sent like others.
    await freshToken()
    await ground.alone(async () => {
      const answer = await signedInAnswer(await ask('change-password', body))
      adopt(answer)
      ground.tabs.tell({ type: 'signed-in', answer })
    })
  }

  async function logout() {
    await ground.alone(async () => {
      const confirmed = await ask('logout').then(
        () => true,
        () => false,
      )
      forget('left')
      ground.tabs.tell({ type: 'signed-out' })
      if (!confirmed) tellPeople('sign_out_unconfirmed')
    })
  }

  /** Renews the token. One tab asks; those that waited for it use what they were told. */
  function refresh(): Promise<void> {
    refreshing ??= renew().finally(() => {
      refreshing = null
    })
    return refreshing
  }

  async function renew() {
    const before = generation
    await ground.alone(async () => {
      if (generation !== before) return
      const answer = await ask('refresh').then(signedInAnswer, (error: unknown) => {
        // Nobody's fault, and not the end of the sign-in: the server is away or busy.
        if (error instanceof Refusal && error.isPassing) throw error
        return null
      })
      if (generation !== before) return
      if (answer === null) {
        forget('ended')
        ground.tabs.tell({ type: 'signed-out' })
        return
      }
      const { user } = store.getState()
      if (user && user.id !== answer.user.id) {
        startAfresh()
        return
      }
      adopt(answer)
      ground.tabs.tell({ type: 'signed-in', answer })
    })
  }

  async function send(request: Request): Promise<Response> {
    const used = await freshToken()
    const spare = request.clone()
    const response = await carry(request, used)
    if (!(await refusesToken(response))) return response
    if (store.getState().access === used) await refresh()
    const renewed = store.getState().access
    if (!renewed) throw ended()
    const second = await carry(spare, renewed)
    if (await refusesToken(second)) {
      forget('ended')
      ground.tabs.tell({ type: 'signed-out' })
      throw ended()
    }
    return second
  }

  async function freshToken(): Promise<string> {
    const { access, expiresAt, status } = store.getState()
    if (status === 'signed-out') throw ended()
    if (!access || expiresAt - ground.now() < RENEW_BEFORE_MS) await refresh()
    const fresh = store.getState().access
    if (!fresh) throw ended()
    return fresh
  }

  async function carry(request: Request, token: string): Promise<Response> {
    const headers = new Headers(request.headers)
    headers.set('Authorization', `Bearer ${token}`)
    return ground.fetch(new Request(request, { headers, credentials: 'omit' })).catch(() => {
      throw unreachable()
    })
  }

  ground.tabs.listen((message) => {
    const { user, status } = store.getState()
    switch (message.type) {
      case 'signed-out':
        if (status !== 'signed-out') forget('left')
        return
      case 'signed-in':
        if (user && user.id !== message.answer.user.id) startAfresh()
        else adopt(message.answer)
    }
  })

  return {
    start: async () => {
      if (ground.hint.read()) await refresh()
      else store.setState(signedOut('never'))
    },
    login: (body) => enter('login', body),
    register: (body) => enter('register', body),
    join: (body) => enter('invitations/accept', body),
    changePassword,
    logout,
    send,
    onForget: (listener) => {
      forgetters.push(listener)
    },
    dismissNotice: () => {
      store.setState({ notice: null })
    },
  }
}

function ended(): Refusal {
  return new Refusal({
    code: 'signed_out',
    status: 401,
    message: 'You have been signed out. Please sign in again.',
  })
}

async function signedInAnswer(response: Response): Promise<SignedInAnswer> {
  const body = (await response.json()) as { data: SignedInAnswer }
  return body.data
}

/** Whether it is the token that is refused. */
async function refusesToken(response: Response): Promise<boolean> {
  if (response.status !== 401) return false
  const { code } = refusalOf(response, await jsonOf(response.clone()))
  return !ABOUT_THE_FORM.includes(code)
}

async function jsonOf(response: Response): Promise<unknown> {
  return response.json().catch(() => undefined)
}
