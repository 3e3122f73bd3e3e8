import { type ReactNode } from 'react'
import { Link } from 'react-router'
import { useTitle } from '@/shared/lib/title'
import { Brand } from '@/shared/ui/brand'

/** The page around the forms that visitors see. */
export function Frame({
  title,
  lead,
  children,
  foot,
}: {
  title: string
  lead?: ReactNode
  children: ReactNode
  foot?: ReactNode
}) {
  useTitle(title)
  return (
    <div className="glow grid min-h-dvh grid-rows-[auto_1fr_auto]">
      <header className="flex justify-center px-4 pt-10 pb-6">
        <Link to="/" aria-label="igny8, start page" className="rounded-lg">
          <Brand className="text-xl" />
        </Link>
      </header>
      <main id="main" className="mx-auto w-full max-w-md px-4 pb-10">
        <div className="card p-6 sm:p-8">
          <h1 className="text-2xl font-semibold text-ink">{title}</h1>
          {lead !== undefined && <div className="mt-1.5 text-ink-3">{lead}</div>}
          <div className="mt-6">{children}</div>
        </div>
        {foot !== undefined && <div className="mt-5 text-center text-sm text-ink-2">{foot}</div>}
      </main>
      <footer className="flex justify-center gap-5 px-4 pb-6 text-sm text-ink-3">
        <a href="/marketing/" className="hover:text-ink">
          What igny8 does
        </a>
        <a href="/published/" className="hover:text-ink">
          Published with igny8
        </a>
      </footer>
    </div>
  )
}

export function TextLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link to={to} className="font-medium text-accent-text underline underline-offset-2 hover:no-underline">
      {children}
    </Link>
  )
}
