// The plain furniture of every page.
import { type ReactNode } from 'react'
import { classNames } from '@/shared/lib/class-names'
import { useTitle } from '@/shared/lib/title'

export function PageHead({
  title,
  lead,
  children,
}: {
  title: string
  lead?: ReactNode
  children?: ReactNode
}) {
  useTitle(title)
  return (
    <header className="mb-6 flex flex-wrap items-end justify-between gap-x-6 gap-y-4">
      <div className="max-w-2xl">
        <h1 className="text-2xl font-semibold text-ink sm:text-[1.75rem]">{title}</h1>
        {lead !== undefined && <p className="mt-1 text-ink-3">{lead}</p>}
      </div>
      {children !== undefined && <div className="flex flex-wrap gap-2">{children}</div>}
    </header>
  )
}

export function Card({
  title,
  aside,
  className,
  children,
}: {
  title?: string
  aside?: ReactNode
  className?: string
  children: ReactNode
}) {
  return (
    <section className={classNames('card p-5 sm:p-6', className)}>
      {title !== undefined && (
        <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
          <h2 className="text-base font-semibold text-ink">{title}</h2>
          {aside}
        </div>
      )}
      {children}
    </section>
  )
}

export type Tone = 'good' | 'warn' | 'bad' | 'note' | 'plain'

const tones: Record<Tone, string> = {
  good: 'bg-good-soft text-good',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  note: 'bg-note-soft text-note',
  plain: 'bg-sunken text-ink-2',
}

export function Badge({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={classNames(
        'inline-flex items-center gap-1 rounded-full px-2.5 py-0.5 text-xs font-medium whitespace-nowrap',
        tones[tone],
      )}
    >
      {children}
    </span>
  )
}

export function Callout({
  tone = 'note',
  title,
  children,
  role,
}: {
  tone?: Tone
  title?: string
  children: ReactNode
  role?: 'status' | 'alert'
}) {
  return (
    <div role={role} className={classNames('rounded-xl px-4 py-3 text-sm', tones[tone])}>
      {title !== undefined && <p className="font-semibold">{title}</p>}
      <div className={title === undefined ? '' : 'mt-0.5'}>{children}</div>
    </div>
  )
}

export function Empty({
  icon,
  title,
  children,
  action,
}: {
  icon?: ReactNode
  title: string
  children?: ReactNode
  action?: ReactNode
}) {
  return (
    <div className="card grid justify-items-center gap-3 px-6 py-14 text-center">
      {icon !== undefined && (
        <div
          aria-hidden
          className="grid size-12 place-items-center rounded-2xl bg-accent-soft text-accent-text"
        >
          {icon}
        </div>
      )}
      <h2 className="text-lg font-semibold text-ink">{title}</h2>
      {children !== undefined && <div className="max-w-md text-ink-3">{children}</div>}
      {action !== undefined && <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  )
}

export function Skeleton({ rows = 4 }: { rows?: number }) {
  return (
    <div role="status" className="card divide-y divide-line overflow-hidden">
      <span className="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} aria-hidden className="flex items-center gap-6 px-5 py-4">
          <div className="h-3.5 w-2/5 animate-pulse rounded bg-sunken" />
          <div className="h-3.5 w-1/5 animate-pulse rounded bg-sunken" />
          <div className="ml-auto h-3.5 w-16 animate-pulse rounded bg-sunken" />
        </div>
      ))}
    </div>
  )
}

/** A table that scrolls by itself where it does not fit, by keyboard too. */
export function Table({ label, head, children }: { label: string; head: ReactNode; children: ReactNode }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to be reachable by keyboard
    <div role="region" aria-label={label} tabIndex={0} className="card relative overflow-x-auto">
      <table className="w-full text-left">
        <thead className="border-b border-line bg-sunken/60 text-xs font-medium text-ink-3">
          <tr>{head}</tr>
        </thead>
        <tbody className="divide-y divide-line">{children}</tbody>
      </table>
    </div>
  )
}

export function Th({
  children,
  right = false,
  hidden = false,
}: {
  children: ReactNode
  right?: boolean
  hidden?: boolean
}) {
  return (
    <th
      scope="col"
      className={classNames('px-5 py-2.5 font-medium whitespace-nowrap', right && 'text-right')}
    >
      {hidden ? <span className="sr-only">{children}</span> : children}
    </th>
  )
}

export function Td({
  children,
  right = false,
  className,
}: {
  children: ReactNode
  right?: boolean
  className?: string
}) {
  return (
    <td className={classNames('px-5 py-3 align-middle', right && 'tabular text-right', className)}>
      {children}
    </td>
  )
}

export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="grid gap-x-8 gap-y-3 sm:grid-cols-2">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt className="text-sm text-ink-3">{name}</dt>
          <dd className="font-medium text-ink">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
