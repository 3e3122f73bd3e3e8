import { ArrowRight, Inbox } from 'lucide-react'
import { Link } from 'react-router'
import { ago, plural } from '@/shared/lib/format'
import { useNow } from '@/shared/lib/now'
import { Answered } from '@/shared/ui/answered'
import { ButtonLink } from '@/shared/ui/button'
import { More } from '@/shared/ui/more'
import { Empty, PageHead } from '@/shared/ui/surface'
import { isQueued, useDrafts } from './api'

export function Component() {
  const drafts = useDrafts()
  const now = useNow()
  return (
    <>
      <PageHead title="Queue" lead="Ordered and not written yet, the oldest first." />
      <Answered asked={drafts}>
        {({ rows }) => {
          const queued = rows.filter(isQueued)
          return queued.length === 0 ? (
            <Empty
              icon={<Inbox size={22} />}
              title="Nothing is waiting"
              action={<ButtonLink to="/writer/drafts">To the drafts</ButtonLink>}
            >
              What you order comes here until it has been written.
            </Empty>
          ) : (
            <ol className="card divide-y divide-line overflow-hidden">
              {queued.map((draft, index) => (
                <li key={draft.id}>
                  <Link
                    to={`/writer/drafts/${String(draft.id)}`}
                    className="flex items-center gap-4 px-5 py-4 -outline-offset-2 hover:bg-sunken/60"
                  >
                    <span
                      aria-hidden
                      className="tabular grid size-8 shrink-0 place-items-center rounded-full bg-sunken text-sm font-medium text-ink-2"
                    >
                      {index + 1}
                    </span>
                    <span className="min-w-0 flex-1">
                      <span className="block font-medium break-words text-ink">{draft.title}</span>
                      <span className="block text-sm text-ink-3">
                        {plural(draft.words, 'word')} · ordered {ago(draft.created_at, now)}
                      </span>
                    </span>
                    <span className="inline-flex items-center gap-1 text-sm font-medium text-accent-text">
                      Write <ArrowRight size={16} aria-hidden />
                    </span>
                  </Link>
                </li>
              ))}
            </ol>
          )
        }}
      </Answered>
      <More list={drafts} />
    </>
  )
}
