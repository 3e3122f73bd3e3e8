// What signing in and out stands on in a browser: other tabs, locks between them, storage, cookies. Tests bring their own.
import type { SignedInAnswer } from './store'

export type TabMessage = { type: 'signed-out' } | { type: 'signed-in'; answer: SignedInAnswer }

export interface Tabs {
  tell: (message: TabMessage) => void
  listen: (listener: (message: TabMessage) => void) => void
}

export interface Ground {
  fetch: (request: Request) => Promise<Response>
  origin: string
  now: () => number
  tabs: Tabs
  /** Runs `work` while no other tab runs any. */
  alone: <T>(work: () => Promise<T>) => Promise<T>
  /** Whether somebody signed in here and did not sign out: a hint that asking for a token makes sense, not a secret. */
  hint: { read: () => boolean; write: () => void }
  /** Clears what scripts can reach: both storages and every readable cookie. */
  sweep: () => void
  /** Leaves this page and everything in its memory. */
  leaveFor: (path: string) => void
}

const HINT = 'igny8.signed-in'
const LOCK = 'igny8.session'

export function browserGround(): Ground {
  const channel = new BroadcastChannel('igny8.session')
  return {
    fetch: (request) => globalThis.fetch(request),
    origin: window.location.origin,
    now: () => Date.now(),
    tabs: {
      tell: (message) => {
        channel.postMessage(message)
      },
      listen: (listener) => {
        channel.addEventListener('message', (event: MessageEvent<TabMessage>) => {
          listener(event.data)
        })
      },
    },
    alone: makeAlone(),
    hint: {
      read: () => window.localStorage.getItem(HINT) !== null,
      write: () => {
        window.localStorage.setItem(HINT, '1')
      },
    },
    sweep: sweepBrowser,
    leaveFor: (path) => {
      window.location.replace(path)
    },
  }
}

/** Web Locks where the browser has them (everywhere but on plain HTTP off this machine), else one at a time in this tab. */
export function makeAlone(locks: LockManager | undefined = lockManager()): Ground['alone'] {
  let last: Promise<unknown> = Promise.resolve()
  return async <T>(work: () => Promise<T>) => {
    if (locks) return locks.request(LOCK, work) as Promise<T>
    const mine = last.then(work, work)
    last = mine.catch(() => undefined)
    return mine
  }
}

function lockManager(): LockManager | undefined {
  return 'locks' in navigator ? navigator.locks : undefined
}

export function sweepBrowser(): void {
  window.localStorage.clear()
  window.sessionStorage.clear()
  for (const pair of document.cookie.split(';')) {
    const name = pair.split('=', 1)[0]?.trim()
    if (!name) continue
    // A cookie is known by name and path; this page can see those of its own path and of the folders above it.
    const folders = window.location.pathname.split('/')
    for (let depth = 1; depth <= folders.length; depth += 1) {
      const path = folders.slice(0, depth).join('/') || '/'
      document.cookie = `${name}=; Path=${path}; Max-Age=0`
      document.cookie = `${name}=; Path=${path}/; Max-Age=0`
    }
    document.cookie = `${name}=; Path=/; Max-Age=0`
  }
}
