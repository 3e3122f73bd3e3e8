// @vitest-environment node
import { beforeEach, describe, expect, test } from 'vitest'
import type { Ground, TabMessage } from './ground'
import { makeSession, type Session } from './session'
import { makeSessionStore, type SessionStore } from './store'

type Reply = { status: number; body?: unknown } | 'unreachable'

/** A browser with as many tabs as a test opens: one storage, one lock, one channel, and a server that is scripted. */
class Browser {
  requests: { path: string; token: string | null; credentials: string }[] = []
  hint = false
  now = 1_000_000
  sweeps = 0
  left: string[] = []
  replies: Record<string, Reply[]> = {}
  private listeners: { tab: number; hear: (message: TabMessage) => void }[] = []
  private last: Promise<unknown> = Promise.resolve()

  open(): { session: Session; store: SessionStore; tab: number } {
    const tab = this.listeners.length
    const ground: Ground = {
      origin: 'http://app.test',
      now: () => this.now,
      fetch: (request) => this.serve(request),
      tabs: {
        tell: (message) => {
          for (const each of this.listeners) if (each.tab !== tab) each.hear(message)
        },
        listen: (hear) => this.listeners.push({ tab, hear }),
      },
      alone: (work) => {
        const mine = this.last.then(work, work)
        this.last = mine.catch(() => undefined)
        return mine
      },
      hint: {
        read: () => this.hint,
        write: () => {
          this.hint = true
        },
      },
      sweep: () => {
        this.sweeps += 1
        this.hint = false
      },
      leaveFor: (path) => this.left.push(path),
    }
    const store = makeSessionStore()
    return { session: makeSession(ground, store), store, tab }
  }

  private async serve(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname
    const token = request.headers.get('Authorization')
    this.requests.push({ path, token, credentials: request.credentials })
    await Promise.resolve()
    const queue = this.replies[path] ?? []
    const reply = queue.length > 1 ? queue.shift() : queue[0]
    if (reply === undefined) throw new Error(`nothing is scripted for ${path}`)
    if (reply === 'unreachable') throw new TypeError('Failed to fetch')
    return new Response(reply.status === 204 ? null : JSON.stringify(reply.body), { status: reply.status })
  }

  paths = () => this.requests.map(({ path }) => path.replace('/api/v1/', ''))
}

const signedIn = (access: string, id = 1) => ({
  status: 200,
  body: {
    success: true,
    data: { access, expires_in: 300, user: { id, email: `${String(id)}@example.com` } },
  },
})
const refused = (status: number, code: string) => ({ status, body: { code, error: 'No.', request_id: 'r' } })
const call = () => new Request('http://app.test/api/v1/sites/')
const body = { email: 'ada@example.com', password: 'plover-tannin-93-gazette' }

let browser: Browser
beforeEach(() => {
  browser = new Browser()
  browser.replies = {
    '/api/v1/auth/logout/': [{ status: 204 }],
    '/api/v1/auth/login/': [signedIn('first')],
    '/api/v1/auth/register/': [signedIn('first')],
    '/api/v1/auth/refresh/': [signedIn('second')],
    '/api/v1/sites/': [{ status: 200, body: [] }],
  }
})

describe('signing up and in', () => {
  test.each(['login', 'register'] as const)('%s signs out first, at the server and here', async (way) => {
    const { session, store } = browser.open()
    let forgotten = 0
    session.onForget(() => (forgotten += 1))
    await session[way](body)
    expect(browser.paths()).toEqual(['auth/logout/', `auth/${way}/`])
    expect(browser.requests.map(({ credentials }) => credentials)).toEqual(['same-origin', 'same-origin'])
    expect([browser.sweeps, forgotten]).toEqual([1, 1])
    expect(store.getState()).toMatchObject({ status: 'signed-in', access: 'first' })
  })

  test('nobody is signed in over a sign-out that failed', async () => {
    browser.replies['/api/v1/auth/logout/'] = [refused(503, 'storage_unavailable')]
    const { session } = browser.open()
    await expect(session.login(body)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(browser.paths()).toEqual(['auth/logout/'])
  })

  test.each(['superuser_session_blocked', 'session_not_allowed'])(
    '%s is told for what it is, and asked again once',
    async (code) => {
      browser.replies['/api/v1/auth/login/'] = [refused(403, code), signedIn('first')]
      const { session, store } = browser.open()
      await session.login(body)
      expect(browser.paths()).toEqual(['auth/logout/', 'auth/login/', 'auth/login/'])
      expect(store.getState()).toMatchObject({ status: 'signed-in', notice: code })
    },
  )

  test('a stray session that comes back is a refusal, not a circle', async () => {
    browser.replies['/api/v1/auth/login/'] = [refused(403, 'session_not_allowed')]
    await expect(browser.open().session.login(body)).rejects.toMatchObject({ code: 'session_not_allowed' })
    expect(browser.paths()).toHaveLength(3)
  })
})

describe('calls', () => {
  test('carry the token and no cookie', async () => {
    const { session } = browser.open()
    await session.login(body)
    await session.send(call())
    expect(browser.requests.at(-1)).toEqual({
      path: '/api/v1/sites/',
      token: 'Bearer first',
      credentials: 'omit',
    })
  })

  test('a 401 renews the token once and sends the call again', async () => {
    browser.replies['/api/v1/sites/'] = [refused(401, 'token_expired'), { status: 200, body: [] }]
    const { session } = browser.open()
    await session.login(body)
    expect((await session.send(call())).status).toBe(200)
    expect(browser.requests.at(-1)?.token).toBe('Bearer second')
  })

  test('a second 401 signs out, here and in other tabs', async () => {
    browser.replies['/api/v1/sites/'] = [refused(401, 'token_revoked')]
    const [one, two] = [browser.open(), browser.open()]
    await one.session.login(body)
    await expect(one.session.send(call())).rejects.toMatchObject({ code: 'signed_out' })
    expect(one.store.getState()).toMatchObject({ status: 'signed-out', reason: 'ended', access: null })
    expect(two.store.getState().status).toBe('signed-out')
    expect(browser.hint).toBe(false)
  })

  test('a wrong password or code within a form is told and signs nobody out', async () => {
    browser.replies['/api/v1/sites/'] = [
      refused(401, 'invalid_credentials'),
      refused(401, 'totp_invalid'),
      refused(401, 'token_expired'),
      refused(401, 'totp_invalid'),
    ]
    const { session, store } = browser.open()
    await session.login(body)
    for (const code of ['invalid_credentials', 'totp_invalid', 'totp_invalid']) {
      const answer = await session.send(call())
      expect(((await answer.json()) as { code: string }).code).toBe(code)
    }
    expect(store.getState().status).toBe('signed-in')
    expect(browser.paths().filter((path) => path === 'auth/refresh/')).toHaveLength(1)
  })

  test('a sign-in that cannot be renewed ends; a server that is away does not end it', async () => {
    browser.replies['/api/v1/sites/'] = [refused(401, 'token_expired')]
    browser.replies['/api/v1/auth/refresh/'] = ['unreachable', refused(401, 'token_revoked')]
    const { session, store } = browser.open()
    await session.login(body)
    await expect(session.send(call())).rejects.toMatchObject({ code: 'unreachable' })
    expect(store.getState().status).toBe('signed-in')
    await expect(session.send(call())).rejects.toMatchObject({ code: 'signed_out' })
    expect(store.getState().status).toBe('signed-out')
  })

  test('a token about to end is renewed before it is used', async () => {
    const { session } = browser.open()
    await session.login(body)
    browser.now += 295_000
    await session.send(call())
    expect(browser.requests.at(-1)?.token).toBe('Bearer second')
  })

  test('many calls at once renew the token once', async () => {
    const { session } = browser.open()
    await session.login(body)
    browser.now += 295_000
    await Promise.all([1, 2, 3, 4].map(() => session.send(call())))
    expect(browser.paths().filter((path) => path === 'auth/refresh/')).toHaveLength(1)
  })
})

describe('tabs', () => {
  test('two tabs that open at once ask for one token', async () => {
    browser.hint = true
    const [one, two] = [browser.open(), browser.open()]
    await Promise.all([one.session.start(), two.session.start()])
    expect(browser.paths()).toEqual(['auth/refresh/'])
    expect([one, two].map(({ store }) => store.getState().access)).toEqual(['second', 'second'])
  })

  test('signing out empties every tab', async () => {
    const [one, two] = [browser.open(), browser.open()]
    let forgotten = 0
    two.session.onForget(() => (forgotten += 1))
    await one.session.login(body)
    expect(two.store.getState().access).toBe('first')
    const before = forgotten
    await one.session.logout()
    expect(two.store.getState()).toMatchObject({ status: 'signed-out', access: null, user: null })
    expect(forgotten).toBe(before + 1)
    expect(browser.hint).toBe(false)
  })

  test('another person in one tab leaves nothing of the first in the others', async () => {
    const [one, two] = [browser.open(), browser.open()]
    await one.session.login(body)
    browser.replies['/api/v1/auth/login/'] = [signedIn('theirs', 2)]
    await two.session.login(body)
    expect(one.store.getState().access).toBe('theirs')
    expect(one.store.getState().user?.id).toBe(2)
  })

  test('a token for another person than the one on the screen starts the page afresh', async () => {
    browser.replies['/api/v1/auth/refresh/'] = [signedIn('theirs', 2)]
    const { session, store } = browser.open()
    await session.login(body)
    browser.now += 295_000
    await expect(session.send(call())).rejects.toMatchObject({ code: 'signed_out' })
    expect(browser.left).toEqual(['/'])
    expect(store.getState().access).toBeNull()
    expect(browser.hint).toBe(true)
  })
})

test('who never signed in here is not asked about', async () => {
  const { session, store } = browser.open()
  await session.start()
  expect(browser.requests).toEqual([])
  expect(store.getState()).toMatchObject({ status: 'signed-out', reason: 'never' })
})

test('a sign-out that the server did not confirm is still one here, and says so', async () => {
  const { session, store } = browser.open()
  await session.login(body)
  browser.replies['/api/v1/auth/logout/'] = ['unreachable']
  await session.logout()
  expect(store.getState()).toMatchObject({
    status: 'signed-out',
    notice: 'sign_out_unconfirmed',
    access: null,
  })
})
