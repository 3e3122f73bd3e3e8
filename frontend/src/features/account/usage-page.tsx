import { lazy, Suspense } from 'react'
import { useCredits } from '@/shared/api/queries'
import { count, moment, plural, signed } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { More } from '@/shared/ui/more'
import { Badge, Card, Empty, PageHead, Table, Td, Th, type Tone } from '@/shared/ui/surface'
import { type LedgerEntry, useLedger, useUsage } from './api'

// The charting library is larger than everything else: it comes after the page.
const UsageChart = lazy(() => import('./usage-chart'))

const kinds: Record<string, [string, Tone]> = {
  subscription: ['Plan', 'good'],
  purchase: ['Purchase', 'good'],
  bonus: ['Bonus', 'good'],
  refund: ['Refund', 'good'],
  consumption: ['Used', 'plain'],
  adjustment: ['Adjustment', 'note'],
  expiry: ['Expired', 'warn'],
}

export function Component() {
  const usage = useUsage()
  const ledger = useLedger()
  const credits = useCredits()
  return (
    <>
      <PageHead title="Usage" lead="What came, what went, and what is left." />
      <div className="grid grid-cols-1 gap-6">
        <Card
          title="Credits used by day"
          aside={
            credits.data && (
              <span className="text-sm text-ink-3">
                <strong className="tabular font-semibold text-ink">{count(credits.data.available)}</strong>{' '}
                left
              </span>
            )
          }
        >
          <Answered asked={usage} skeleton={<div className="h-64 animate-pulse rounded-lg bg-sunken" />}>
            {({ items }) => (
              <>
                <Suspense fallback={<div className="h-64 animate-pulse rounded-lg bg-sunken" />}>
                  <UsageChart days={items} />
                </Suspense>
                <p className="mt-3 text-sm text-ink-3">
                  {plural(
                    items.reduce((sum, each) => sum + each.consumed, 0),
                    'credit',
                  )}{' '}
                  used within {plural(items.length, 'day')}.
                </p>
              </>
            )}
          </Answered>
        </Card>
        <section>
          <h2 className="mb-3 text-base font-semibold text-ink">Ledger</h2>
          <Answered asked={ledger}>
            {(entries) =>
              entries.length === 0 ? <Empty title="Nothing yet" /> : <Ledger entries={entries} />
            }
          </Answered>
          <More list={ledger} />
        </section>
      </div>
    </>
  )
}

function Ledger({ entries }: { entries: LedgerEntry[] }) {
  return (
    <Table
      label="Ledger"
      head={
        <>
          <Th>When</Th>
          <Th>What</Th>
          <Th right>Credits</Th>
          <Th right>Balance</Th>
        </>
      }
    >
      {entries.map((entry) => {
        const [name, tone] = kinds[entry.transaction_type] ?? [entry.transaction_type, 'plain' as const]
        return (
          <tr key={entry.id}>
            <Td className="text-sm whitespace-nowrap text-ink-3">{moment(entry.created_at)}</Td>
            <Td className="min-w-60">
              <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
                <Badge tone={tone}>{name}</Badge>
                <span>{entry.description}</span>
              </span>
            </Td>
            <Td right className={entry.amount > 0 ? 'font-medium text-good' : 'font-medium text-ink'}>
              {signed(entry.amount)}
            </Td>
            <Td right>{count(entry.balance_after)}</Td>
          </tr>
        )
      })}
    </Table>
  )
}
