import { KeyRound, Plus, Search, Trash2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { useSearchParams } from 'react-router'
import type { Cluster, Keyword } from '@/shared/api/example-app'
import { count, plural } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button, IconButton } from '@/shared/ui/button'
import { More } from '@/shared/ui/more'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Empty, PageHead, Table, Td, Th } from '@/shared/ui/surface'
import { say } from '@/shared/ui/toast'
import { useClusters, useDeleteKeyword, useKeywords, useMoveKeyword } from './api'

// What forms need comes with the first form.
const KeywordDialog = lazy(() => import('./keyword-dialog'))

export function Component() {
  const keywords = useKeywords()
  const clusters = useClusters()
  const [adding, setAdding] = useState(false)
  const [query, setQuery] = useSearchParams()
  const [wanted, setWanted] = useState('')
  const clusterId = Number(query.get('cluster')) || null
  const groups = clusters.data?.rows ?? []
  const add = (
    <Button
      onClick={() => {
        setAdding(true)
      }}
    >
      <Plus size={16} aria-hidden />
      Add a keyword
    </Button>
  )
  return (
    <>
      <PageHead title="Keywords" lead="What people search for, how often, and how hard it is to be found.">
        {(keywords.data?.count ?? 0) > 0 && add}
      </PageHead>
      <Answered asked={keywords}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty icon={<KeyRound size={22} />} title="No keywords yet" action={add}>
              Add the searches that your texts should answer.
            </Empty>
          ) : (
            <>
              <div className="mb-4 flex flex-wrap items-center gap-3">
                <label className="relative min-w-0 flex-1 sm:max-w-xs">
                  <span className="sr-only">Search the keywords</span>
                  <Search size={16} aria-hidden className="absolute top-3 left-3 text-ink-3" />
                  <input
                    type="search"
                    value={wanted}
                    onChange={(event) => {
                      setWanted(event.target.value)
                    }}
                    placeholder="Search"
                    className="min-h-10 w-full rounded-lg border border-edge/60 bg-surface py-2 pr-3 pl-9"
                  />
                </label>
                <ClusterFilter
                  clusters={groups}
                  value={clusterId}
                  onChange={(id) => {
                    setQuery(id === null ? {} : { cluster: String(id) }, { replace: true })
                  }}
                />
              </div>
              <KeywordTable rows={matching(rows, wanted, clusterId)} clusters={groups} />
            </>
          )
        }
      </Answered>
      <More list={keywords} />
      <Suspense fallback={null}>
        {adding && (
          <KeywordDialog
            clusters={groups}
            cluster={clusterId}
            onClose={() => {
              setAdding(false)
            }}
          />
        )}
      </Suspense>
    </>
  )
}

function matching(rows: Keyword[], wanted: string, cluster: number | null): Keyword[] {
  const word = wanted.trim().toLowerCase()
  return rows.filter(
    (row) => row.term.toLowerCase().includes(word) && (cluster === null || row.cluster === cluster),
  )
}

function ClusterFilter({
  clusters,
  value,
  onChange,
}: {
  clusters: Cluster[]
  value: number | null
  onChange: (id: number | null) => void
}) {
  return (
    <select
      aria-label="Show the keywords of"
      value={value ?? ''}
      onChange={(event) => {
        onChange(Number(event.target.value) || null)
      }}
      className="min-h-10 max-w-48 rounded-lg border border-edge/60 bg-surface px-3 py-2 pr-8"
    >
      <option value="">All clusters</option>
      {clusters.map((cluster) => (
        <option key={cluster.id} value={cluster.id}>
          {cluster.name}
        </option>
      ))}
    </select>
  )
}

function KeywordTable({ rows, clusters }: { rows: Keyword[]; clusters: Cluster[] }) {
  const move = useMoveKeyword()
  const remove = useDeleteKeyword()
  if (rows.length === 0) return <p className="card px-5 py-10 text-center text-ink-3">Nothing matches.</p>
  return (
    <div className="grid grid-cols-1 gap-3">
      <RefusalLine error={move.error ?? remove.error} />
      <Table
        label="Keywords"
        head={
          <>
            <Th>Keyword</Th>
            <Th right>Searches a month</Th>
            <Th>Difficulty</Th>
            <Th>Cluster</Th>
            <Th hidden>Delete</Th>
          </>
        }
      >
        {rows.map((row) => (
          <tr key={row.id}>
            <Td className="min-w-44 font-medium text-ink">{row.term}</Td>
            <Td right>{count(row.volume)}</Td>
            <Td>
              <Difficulty value={row.difficulty} />
            </Td>
            <Td>
              <select
                aria-label={`Cluster of ${row.term}`}
                value={row.cluster ?? ''}
                disabled={move.isPending}
                onChange={(event) => {
                  move.mutate({ id: row.id, cluster: Number(event.target.value) || null })
                }}
                className="min-h-9 w-full min-w-32 rounded-lg border border-line bg-surface px-2 py-1 pr-7 text-sm hover:border-edge"
              >
                <option value="">None</option>
                {clusters.map((cluster) => (
                  <option key={cluster.id} value={cluster.id}>
                    {cluster.name}
                  </option>
                ))}
              </select>
            </Td>
            <Td right>
              <IconButton
                label={`Delete ${row.term}`}
                disabled={remove.isPending}
                onClick={() => {
                  remove.mutate(row.id, {
                    onSuccess: () => {
                      say(`${row.term} has been deleted`)
                    },
                  })
                }}
              >
                <Trash2 size={16} aria-hidden />
              </IconButton>
            </Td>
          </tr>
        ))}
      </Table>
      <p className="text-sm text-ink-3">{plural(rows.length, 'keyword')}</p>
    </div>
  )
}

function Difficulty({ value }: { value: number }) {
  const colour = value < 35 ? 'bg-good' : value < 65 ? 'bg-warn' : 'bg-bad'
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden className="h-1.5 w-16 overflow-hidden rounded-full bg-line">
        <span className={`block h-full rounded-full ${colour}`} style={{ width: `${String(value)}%` }} />
      </span>
      <span className="tabular text-sm text-ink-2">{value}%</span>
    </span>
  )
}
