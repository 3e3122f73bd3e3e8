import { Globe, Inbox, KeyRound, Layers, PenLine, UserRound } from 'lucide-react'
import { type ReactNode } from 'react'
import { Link, NavLink } from 'react-router'
import { classNames } from '@/shared/lib/class-names'
import { Brand } from '@/shared/ui/brand'

const groups: { name: string; pages: [string, string, ReactNode][] }[] = [
  { name: 'Publish', pages: [['/sites', 'Sites', <Globe size={18} key="i" />]] },
  {
    name: 'Planner',
    pages: [
      ['/planner/keywords', 'Keywords', <KeyRound size={18} key="i" />],
      ['/planner/clusters', 'Clusters', <Layers size={18} key="i" />],
    ],
  },
  {
    name: 'Writer',
    pages: [
      ['/writer/drafts', 'Drafts', <PenLine size={18} key="i" />],
      ['/writer/queue', 'Queue', <Inbox size={18} key="i" />],
    ],
  },
  { name: 'You', pages: [['/account', 'Account', <UserRound size={18} key="i" />]] },
]

export function Home() {
  return (
    <Link to="/sites" aria-label="igny8, your sites" className="mb-6 self-start rounded-lg px-2">
      <Brand />
    </Link>
  )
}

export function Pages({ onGo }: { onGo?: () => void }) {
  return (
    <nav aria-label="Main" className="grid gap-5">
      {groups.map(({ name, pages }) => (
        <div key={name}>
          <p className="mb-1 px-3 text-xs font-medium text-ink-3">{name}</p>
          <ul className="grid gap-0.5">
            {pages.map(([to, label, icon]) => (
              <li key={to}>
                <NavLink
                  to={to}
                  {...(onGo ? { onClick: onGo } : {})}
                  className={({ isActive }) =>
                    classNames(
                      'flex items-center gap-3 rounded-lg px-3 py-2 text-sm font-medium transition-colors',
                      isActive
                        ? 'bg-accent-soft text-accent-text'
                        : 'text-ink-2 hover:bg-sunken hover:text-ink',
                    )
                  }
                >
                  <span aria-hidden>{icon}</span>
                  {label}
                </NavLink>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  )
}
