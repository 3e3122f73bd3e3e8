import { FileText, Plus, Trash2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { Draft } from '@/shared/api/example-app'
import { count, moment, plural } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button, IconButton } from '@/shared/ui/button'
import { Confirm } from '@/shared/ui/dialog'
import { More } from '@/shared/ui/more'
import { Badge, Empty, PageHead, Table, Td, Th } from '@/shared/ui/surface'
import { isQueued, useDeleteDraft, useDrafts } from './api'

// What forms need comes with the first form.
const OrderDialog = lazy(() => import('./order-dialog'))

export function Component() {
  const drafts = useDrafts()
  const remove = useDeleteDraft()
  const [query, setQuery] = useSearchParams()
  const title = query.get('title')
  const [ordering, setOrdering] = useState(false)
  const [deleting, setDeleting] = useState<Draft | null>(null)
  const order = (
    <Button
      onClick={() => {
        setOrdering(true)
      }}
    >
      <Plus size={16} aria-hidden />
      Order a draft
    </Button>
  )
  return (
    <>
      <PageHead title="Drafts" lead="Every text that you have ordered, and what it cost.">
        {(drafts.data?.count ?? 0) > 0 && order}
      </PageHead>
      <Answered asked={drafts}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty icon={<FileText size={22} />} title="No drafts yet" action={order}>
              A draft costs one credit for each hundred words. You see the price before you order.
            </Empty>
          ) : (
            <DraftTable rows={[...rows].reverse()} onDelete={setDeleting} />
          )
        }
      </Answered>
      <More list={drafts} />
      {(ordering || title !== null) && (
        <Suspense fallback={null}>
          <OrderDialog
            title={title ?? ''}
            onClose={() => {
              setOrdering(false)
              setQuery({}, { replace: true })
            }}
          />
        </Suspense>
      )}
      {deleting !== null && (
        <Confirm
          open
          onClose={() => {
            setDeleting(null)
            remove.reset()
          }}
          title={`Delete “${deleting.title}”?`}
          lead={`Its text is gone then. The ${plural(deleting.credit_cost, 'credit')} it cost do not come back.`}
          action="Delete the draft"
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => {
            remove.mutate(deleting.id, {
              onSuccess: () => {
                setDeleting(null)
              },
            })
          }}
        />
      )}
    </>
  )
}

function DraftTable({ rows, onDelete }: { rows: Draft[]; onDelete: (draft: Draft) => void }) {
  return (
    <Table
      label="Drafts"
      head={
        <>
          <Th>Title</Th>
          <Th>State</Th>
          <Th right>Words</Th>
          <Th right>Credits</Th>
          <Th>Ordered</Th>
          <Th hidden>Delete</Th>
        </>
      }
    >
      {rows.map((draft) => (
        <tr key={draft.id}>
          <Td className="min-w-52">
            <Link to={`/writer/drafts/${String(draft.id)}`} className="font-medium text-ink hover:underline">
              {draft.title}
            </Link>
          </Td>
          <Td>
            {isQueued(draft) ? <Badge tone="note">In the queue</Badge> : <Badge tone="good">Written</Badge>}
          </Td>
          <Td right>{count(draft.words)}</Td>
          <Td right>{count(draft.credit_cost)}</Td>
          <Td className="text-sm whitespace-nowrap text-ink-3">{moment(draft.created_at)}</Td>
          <Td right>
            <IconButton
              label={`Delete ${draft.title}`}
              onClick={() => {
                onDelete(draft)
              }}
            >
              <Trash2 size={16} aria-hidden />
            </IconButton>
          </Td>
        </tr>
      ))}
    </Table>
  )
}
