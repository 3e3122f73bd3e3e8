import { LogOut, Monitor, Moon, Sun } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { Link } from 'react-router'
import { session, useSession } from '@/shared/auth'
import { classNames } from '@/shared/lib/class-names'
import { chooseTheme, type Theme, useTheme } from './theme'

const line = 'flex w-full items-center gap-3 rounded-md px-3 py-2 text-left text-sm text-ink hover:bg-sunken'

const themes: [Theme, string, ReactNode][] = [
  ['system', 'System', <Monitor size={16} aria-hidden key="i" />],
  ['light', 'Light', <Sun size={16} aria-hidden key="i" />],
  ['dark', 'Dark', <Moon size={16} aria-hidden key="i" />],
]

/** A button that shows who is signed in, and what belongs to them. */
export function PersonMenu() {
  const user = useSession((state) => state.user)
  const [open, setOpen] = useState(false)
  const panel = useId()
  const whole = useRef<HTMLDivElement>(null)
  const close = () => {
    setOpen(false)
  }
  useCloseFromOutside(open, whole, close)
  if (!user) return null
  const name = `${user.first_name} ${user.last_name}`.trim()
  return (
    <div ref={whole} className="relative">
      <button
        type="button"
        aria-label={`You: ${user.email}`}
        aria-expanded={open}
        aria-controls={panel}
        onClick={() => {
          setOpen(!open)
        }}
        className="grid size-9 place-items-center rounded-full bg-ink text-sm font-semibold text-bg uppercase"
      >
        {(name || user.email).slice(0, 1)}
      </button>
      <div
        id={panel}
        hidden={!open}
        className="absolute right-0 z-40 mt-2 w-64 animate-rise rounded-xl border border-line bg-surface p-1.5 shadow-xl"
      >
        <div className="px-3 py-2">
          {name !== '' && <p className="truncate font-medium text-ink">{name}</p>}
          <p className="truncate text-sm text-ink-3">{user.email}</p>
        </div>
        <hr className="my-1" />
        <Link to="/account" onClick={close} className={line}>
          Account
        </Link>
        <Link to="/account/security" onClick={close} className={line}>
          Security
        </Link>
        <hr className="my-1" />
        <Themes />
        <hr className="my-1" />
        <button type="button" onClick={() => void session.logout()} className={line}>
          <LogOut size={16} aria-hidden /> Sign out
        </button>
      </div>
    </div>
  )
}

function Themes() {
  const theme = useTheme()
  return (
    <div role="group" aria-label="Colours" className="grid grid-cols-3 gap-1 p-1">
      {themes.map(([value, label, icon]) => (
        <button
          key={value}
          type="button"
          aria-pressed={theme === value}
          onClick={() => {
            chooseTheme(value)
          }}
          className={classNames(
            'grid justify-items-center gap-1 rounded-md py-2 text-xs',
            theme === value ? 'bg-accent-soft font-medium text-accent-text' : 'text-ink-2 hover:bg-sunken',
          )}
        >
          {icon}
          {label}
        </button>
      ))}
    </div>
  )
}

/** Closes on Escape, on a press elsewhere, and when focus goes elsewhere. */
function useCloseFromOutside(open: boolean, whole: React.RefObject<HTMLElement | null>, close: () => void) {
  useEffect(() => {
    if (!open) return
    const elsewhere = (event: Event) => {
      if (event.target instanceof Node && !whole.current?.contains(event.target)) close()
    }
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return
      close()
      whole.current?.querySelector('button')?.focus()
    }
    document.addEventListener('pointerdown', elsewhere)
    document.addEventListener('focusin', elsewhere)
    document.addEventListener('keydown', escape)
    return () => {
      document.removeEventListener('pointerdown', elsewhere)
      document.removeEventListener('focusin', elsewhere)
      document.removeEventListener('keydown', escape)
    }
  })
}
