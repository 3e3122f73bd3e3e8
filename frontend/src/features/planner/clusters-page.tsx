import { Layers, PenLine, Pencil, Plus, Trash2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { Link } from 'react-router'
import type { Cluster } from '@/shared/api/example-app'
import { plural } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button, ButtonLink, IconButton } from '@/shared/ui/button'
import { Confirm } from '@/shared/ui/dialog'
import { More } from '@/shared/ui/more'
import { Empty, PageHead } from '@/shared/ui/surface'
import { useClusters, useDeleteCluster } from './api'

// What forms need comes with the first form.
const ClusterDialog = lazy(() => import('./cluster-dialog'))

export function Component() {
  const clusters = useClusters()
  const remove = useDeleteCluster()
  const [editing, setEditing] = useState<Cluster | 'new' | null>(null)
  const [deleting, setDeleting] = useState<Cluster | null>(null)
  const add = (
    <Button
      onClick={() => {
        setEditing('new')
      }}
    >
      <Plus size={16} aria-hidden />
      Add a cluster
    </Button>
  )
  const close = () => {
    setEditing(null)
    setDeleting(null)
    remove.reset()
  }
  return (
    <>
      <PageHead title="Clusters" lead="Keywords that one text can answer together.">
        {(clusters.data?.count ?? 0) > 0 && add}
      </PageHead>
      <Answered asked={clusters}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty icon={<Layers size={22} />} title="No clusters yet" action={add}>
              Put keywords together that mean nearly the same, and write one good text for all of them.
            </Empty>
          ) : (
            <ul className="grid gap-4 sm:grid-cols-2 xl:grid-cols-3">
              {rows.map((cluster) => (
                <ClusterCard key={cluster.id} cluster={cluster} onEdit={setEditing} onDelete={setDeleting} />
              ))}
            </ul>
          )
        }
      </Answered>
      <More list={clusters} />
      <Suspense fallback={null}>
        {editing !== null && <ClusterDialog cluster={editing === 'new' ? null : editing} onClose={close} />}
      </Suspense>
      {deleting !== null && (
        <Confirm
          open
          onClose={close}
          title={`Delete ${deleting.name}?`}
          lead="Its keywords stay, without a cluster."
          action="Delete the cluster"
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => {
            remove.mutate(deleting.id, { onSuccess: close })
          }}
        />
      )}
    </>
  )
}

function ClusterCard({
  cluster,
  onEdit,
  onDelete,
}: {
  cluster: Cluster
  onEdit: (cluster: Cluster) => void
  onDelete: (cluster: Cluster) => void
}) {
  return (
    <li className="card flex flex-col gap-4 p-5">
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <h2 className="font-semibold break-words text-ink">{cluster.name}</h2>
          <Link
            to={`/planner/keywords?cluster=${String(cluster.id)}`}
            className="text-sm text-ink-3 underline underline-offset-2 hover:text-ink"
          >
            {plural(cluster.keyword_count, 'keyword')}
          </Link>
        </div>
        <div className="-mt-2 -mr-2 flex">
          <IconButton
            label={`Rename ${cluster.name}`}
            onClick={() => {
              onEdit(cluster)
            }}
          >
            <Pencil size={16} aria-hidden />
          </IconButton>
          <IconButton
            label={`Delete ${cluster.name}`}
            onClick={() => {
              onDelete(cluster)
            }}
          >
            <Trash2 size={16} aria-hidden />
          </IconButton>
        </div>
      </div>
      <ButtonLink
        look="secondary"
        className="mt-auto self-start"
        to={`/writer/drafts?title=${encodeURIComponent(cluster.name)}`}
      >
        <PenLine size={16} aria-hidden />
        Write about it
      </ButtonLink>
    </li>
  )
}
