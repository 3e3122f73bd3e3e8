// Every page on one screen. Each is a file of its own that comes when it is needed.
import {
  createBrowserRouter,
  Navigate,
  Outlet,
  type RouteObject,
  useLocation,
  useSearchParams,
} from 'react-router'
import { useSession } from '@/shared/auth'
import { Broken } from './broken'
import { Missing } from './missing'

const visitors: RouteObject[] = [
  { path: 'signup', lazy: () => import('@/features/auth/signup-page') },
  { path: 'login', lazy: () => import('@/features/auth/login-page') },
  { path: 'join', lazy: () => import('@/features/auth/join-page') },
]

const reset = () => import('@/features/auth/reset-page')
const verify = () => import('@/features/auth/verify-page')

// The second name of each is the one that mailed links use.
const anybody: RouteObject[] = [
  { path: 'reset', lazy: reset },
  { path: 'reset-password', lazy: reset },
  { path: 'verify', lazy: verify },
  { path: 'verify-email', lazy: verify },
]

const account: RouteObject[] = [
  { index: true, lazy: () => import('@/features/account/overview-page') },
  { path: 'usage', lazy: () => import('@/features/account/usage-page') },
  { path: 'upgrade', lazy: () => import('@/features/account/upgrade-page') },
  { path: 'receipts', lazy: () => import('@/features/account/receipts-page') },
  { path: 'receipts/:number', lazy: () => import('@/features/account/receipt-page') },
  { path: 'api-keys', lazy: () => import('@/features/account/api-keys-page') },
  { path: 'members', lazy: () => import('@/features/account/members-page') },
  { path: 'security', lazy: () => import('@/features/account/security-page') },
]

const members: RouteObject[] = [
  { index: true, element: <Navigate to="/sites" replace /> },
  { path: 'sites', lazy: () => import('@/features/sites/sites-page') },
  { path: 'planner', element: <Navigate to="/planner/keywords" replace /> },
  { path: 'planner/keywords', lazy: () => import('@/features/planner/keywords-page') },
  { path: 'planner/clusters', lazy: () => import('@/features/planner/clusters-page') },
  { path: 'writer', element: <Navigate to="/writer/drafts" replace /> },
  { path: 'writer/drafts', lazy: () => import('@/features/writer/drafts-page') },
  { path: 'writer/drafts/:id', lazy: () => import('@/features/writer/draft-page') },
  { path: 'writer/queue', lazy: () => import('@/features/writer/queue-page') },
  { path: 'account', lazy: () => import('@/features/account/layout'), children: account },
  { path: '*', element: <Missing /> },
]

const shell = async () => ({ Component: (await import('./shell')).Shell })

export const routes: RouteObject[] = [
  {
    errorElement: <Broken />,
    // A page that is being fetched for the first time leaves the screen empty for a blink, not broken.
    hydrateFallbackElement: <></>,
    children: [
      ...anybody,
      { element: <VisitorsOnly />, children: visitors },
      {
        element: <MembersOnly />,
        children: [{ lazy: shell, children: [{ errorElement: <Broken />, children: members }] }],
      },
    ],
  },
]

export const makeRouter = () => createBrowserRouter(routes)

/** Where to go after signing in: a path of this site, and nothing else. */
export function safeNext(next: string | null): string {
  return next !== null && /^\/(?![/\\])/.test(next) ? next : '/sites'
}

function VisitorsOnly() {
  const signedIn = useSession((state) => state.status === 'signed-in')
  const [query] = useSearchParams()
  return signedIn ? <Navigate to={safeNext(query.get('next'))} replace /> : <Outlet />
}

function MembersOnly() {
  const signedIn = useSession((state) => state.status === 'signed-in')
  const left = useSession((state) => state.reason === 'left')
  const { pathname, search } = useLocation()
  if (signedIn) return <Outlet />
  // Whoever signs out on purpose leaves no trace of where they were.
  const next = left || pathname === '/' ? '' : `?next=${encodeURIComponent(pathname + search)}`
  return <Navigate to={`/login${next}`} replace />
}
