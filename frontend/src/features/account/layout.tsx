import { useEffect, useRef } from 'react'
import { NavLink, Outlet, useLocation } from 'react-router'
import { classNames } from '@/shared/lib/class-names'

const pages = [
  ['/account', 'Overview'],
  ['/account/usage', 'Usage'],
  ['/account/upgrade', 'Plans'],
  ['/account/receipts', 'Receipts'],
  ['/account/api-keys', 'API keys'],
  ['/account/members', 'Members'],
  ['/account/security', 'Security'],
] as const

export function Component() {
  const { pathname } = useLocation()
  const nav = useRef<HTMLElement>(null)
  // A phone is narrower than the row: the page that is open is brought into view.
  useEffect(() => {
    const row = nav.current
    const link = row?.querySelector('[aria-current="page"]')
    if (!row || !link) return
    const [around, own] = [row.getBoundingClientRect(), link.getBoundingClientRect()]
    row.scrollLeft += own.left + own.width / 2 - (around.left + around.width / 2)
  }, [pathname])
  return (
    <>
      <nav
        ref={nav}
        aria-label="Account"
        className="no-print -mx-4 mb-7 overflow-x-auto border-b border-line px-4 sm:mx-0 sm:px-0"
      >
        <ul className="flex gap-1">
          {pages.map(([to, name]) => (
            <li key={to}>
              <NavLink
                to={to}
                end={to === '/account'}
                className={({ isActive }) =>
                  classNames(
                    '-mb-px block rounded-t-md border-b-2 px-3 py-2.5 text-sm font-medium whitespace-nowrap -outline-offset-2',
                    isActive ? 'border-accent text-ink' : 'border-transparent text-ink-3 hover:text-ink',
                  )
                }
              >
                {name}
              </NavLink>
            </li>
          ))}
        </ul>
      </nav>
      <Outlet />
    </>
  )
}
