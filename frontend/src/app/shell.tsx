import { Menu } from 'lucide-react'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { Link, Outlet, ScrollRestoration, useLocation, useNavigation } from 'react-router'
import { useCredits } from '@/shared/api/queries'
import { useSession } from '@/shared/auth'
import { count } from '@/shared/lib/format'
import { Brand } from '@/shared/ui/brand'
import { IconButton } from '@/shared/ui/button'
import { Callout } from '@/shared/ui/surface'
import { Home, Pages } from './navigation'
import { PersonMenu } from './person-menu'
import { StandingBar } from './standing-bar'
import { useOnline } from './online'

const Drawer = lazy(() => import('./drawer'))

/** What surrounds every page of somebody who is signed in. */
export function Shell() {
  const [drawer, setDrawer] = useState(false)
  const { pathname } = useLocation()
  const busy = useNavigation().state === 'loading'
  const main = useRef<HTMLElement>(null)
  useFocusOnArrival(pathname, main)
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15rem_1fr] print:block">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:fixed focus:top-3 focus:left-3 focus:z-50 focus:rounded-lg focus:bg-surface focus:px-4 focus:py-2"
      >
        Skip to the content
      </a>
      <aside className="no-print sticky top-0 hidden h-dvh flex-col border-r border-line bg-surface px-3 py-5 lg:flex">
        <Home />
        <Pages />
      </aside>
      <div className="min-w-0">
        <header className="no-print sticky top-0 z-30 flex h-16 items-center gap-3 border-b border-line bg-bg/90 px-4 backdrop-blur sm:px-8">
          <IconButton
            label="Menu"
            className="-ml-2 lg:hidden"
            onClick={() => {
              setDrawer(true)
            }}
          >
            <Menu size={20} aria-hidden />
          </IconButton>
          <div className="flex lg:hidden">
            <Brand />
          </div>
          <div className="ml-auto flex items-center gap-3">
            <CreditPill />
            <PersonMenu />
          </div>
          {busy && (
            <div
              role="progressbar"
              aria-label="Loading the page"
              className="absolute inset-x-0 bottom-0 h-0.5 animate-pulse bg-accent"
            />
          )}
        </header>
        <Offline />
        <StandingBar />
        <main ref={main} id="main" tabIndex={-1} className="mx-auto max-w-6xl px-4 py-8 outline-none sm:px-8">
          <Outlet />
        </main>
      </div>
      <Suspense fallback={null}>
        {drawer && (
          <Drawer
            onClose={() => {
              setDrawer(false)
            }}
          />
        )}
      </Suspense>
      <ScrollRestoration />
    </div>
  )
}

/** A page change is told to screen readers as a page load would be: focus goes to the content. */
function useFocusOnArrival(pathname: string, main: React.RefObject<HTMLElement | null>) {
  const first = useRef(pathname)
  useEffect(() => {
    if (first.current === pathname) return
    first.current = ''
    main.current?.focus({ preventScroll: true })
  }, [pathname, main])
}

function CreditPill() {
  const credits = useCredits()
  const isStaff = useSession((state) => state.user?.platform_role != null)
  if (!credits.data || isStaff) return null
  return (
    <Link
      to="/account/usage"
      className="rounded-full border border-line bg-surface px-3.5 py-1.5 text-sm text-ink-2 hover:border-edge"
    >
      <strong className="tabular font-semibold text-ink">{count(credits.data.available)}</strong> credits
    </Link>
  )
}

function Offline() {
  const online = useOnline()
  if (online) return null
  return (
    <div className="px-4 pt-4 sm:px-8">
      <Callout tone="warn" role="status">
        You are offline. What is on the screen may be older; it goes on by itself once you are back.
      </Callout>
    </div>
  )
}
