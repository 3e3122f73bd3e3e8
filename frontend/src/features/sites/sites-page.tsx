import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Globe, Pencil, Plus, Trash2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { Link } from 'react-router'
import { api, plain } from '@/shared/api/client'
import type { Site } from '@/shared/api/example-app'
import { useCredits, useNumberedList } from '@/shared/api/queries'
import { count, plural } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button, IconButton } from '@/shared/ui/button'
import { Confirm } from '@/shared/ui/dialog'
import { More } from '@/shared/ui/more'
import { Empty, PageHead } from '@/shared/ui/surface'
import { say } from '@/shared/ui/toast'
import { key } from './key'

// What forms need comes with the first form.
const SiteDialog = lazy(() => import('./site-dialog'))

export function Component() {
  const sites = useNumberedList(key, (page) =>
    plain(api.GET('/api/v1/sites/', { params: { query: { page } } })),
  )
  const [editing, setEditing] = useState<Site | 'new' | null>(null)
  const [deleting, setDeleting] = useState<Site | null>(null)
  const add = (
    <Button
      onClick={() => {
        setEditing('new')
      }}
    >
      <Plus size={16} aria-hidden />
      Add a site
    </Button>
  )
  return (
    <>
      <PageHead title="Sites" lead="Where your texts are published.">
        {(sites.data?.count ?? 0) > 0 && add}
      </PageHead>
      <Answered asked={sites}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Welcome action={add} />
          ) : (
            <ul className="grid gap-4 sm:grid-cols-2 xl:grid-cols-3">
              {rows.map((site) => (
                <SiteCard key={site.id} site={site} onEdit={setEditing} onDelete={setDeleting} />
              ))}
            </ul>
          )
        }
      </Answered>
      <More list={sites} />
      {editing !== null && (
        <Suspense fallback={null}>
          <SiteDialog
            site={editing === 'new' ? null : editing}
            onClose={() => {
              setEditing(null)
            }}
          />
        </Suspense>
      )}
      {deleting !== null && (
        <DeleteSite
          site={deleting}
          onClose={() => {
            setDeleting(null)
          }}
        />
      )}
    </>
  )
}

function Welcome({ action }: { action: React.ReactNode }) {
  const credits = useCredits()
  return (
    <div className="grid gap-4">
      <Empty icon={<Globe size={22} />} title="Everything is ready" action={action}>
        {credits.data && (
          <p>
            You have{' '}
            <strong className="font-semibold text-ink">{plural(credits.data.available, 'credit')}</strong> to
            write with.
          </p>
        )}
        <p className="mt-1">Begin with the site that you want to write for.</p>
      </Empty>
      <ol className="grid gap-4 sm:grid-cols-3">
        {[
          ['/planner/keywords', 'Collect keywords', 'What people search for, how often, and how hard it is.'],
          ['/planner/clusters', 'Group them', 'One cluster for each text that answers several searches.'],
          ['/writer/drafts', 'Order drafts', 'A draft costs one credit for each hundred words.'],
        ].map(([to, title, lead], index) => (
          <li key={title}>
            <Link to={to ?? ''} className="card block h-full p-5 transition-colors hover:border-edge">
              <p className="text-sm font-medium text-accent-text">Step {count(index + 2)}</p>
              <p className="mt-1 font-semibold text-ink">{title}</p>
              <p className="mt-1 text-sm text-ink-3">{lead}</p>
            </Link>
          </li>
        ))}
      </ol>
    </div>
  )
}

function SiteCard({
  site,
  onEdit,
  onDelete,
}: {
  site: Site
  onEdit: (site: Site) => void
  onDelete: (site: Site) => void
}) {
  return (
    <li className="card flex items-start gap-4 p-5">
      <div
        aria-hidden
        className="grid size-11 shrink-0 place-items-center rounded-xl bg-accent-soft text-lg font-semibold text-accent-text uppercase"
      >
        {site.name.slice(0, 1)}
      </div>
      <div className="min-w-0 flex-1">
        <h2 className="truncate font-semibold text-ink">{site.name}</h2>
        <p className="truncate text-sm text-ink-3">{site.domain}</p>
      </div>
      <div className="-mt-2 -mr-2 flex">
        <IconButton
          label={`Change ${site.name}`}
          onClick={() => {
            onEdit(site)
          }}
        >
          <Pencil size={16} aria-hidden />
        </IconButton>
        <IconButton
          label={`Delete ${site.name}`}
          onClick={() => {
            onDelete(site)
          }}
        >
          <Trash2 size={16} aria-hidden />
        </IconButton>
      </div>
    </li>
  )
}

function DeleteSite({ site, onClose }: { site: Site; onClose: () => void }) {
  const cache = useQueryClient()
  const remove = useMutation({
    mutationFn: () => plain(api.DELETE('/api/v1/sites/{id}/', { params: { path: { id: site.id } } })),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: key })
      say('The site has been deleted')
      onClose()
    },
  })
  return (
    <Confirm
      open
      onClose={onClose}
      title={`Delete ${site.name}?`}
      lead="Drafts and keywords stay as they are."
      action="Delete the site"
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => {
        remove.mutate()
      }}
    />
  )
}
