import { ArrowLeft, Printer } from 'lucide-react'
import { Link, useParams } from 'react-router'
import { day, money } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Brand } from '@/shared/ui/brand'
import { Button } from '@/shared/ui/button'
import { Facts, PageHead } from '@/shared/ui/surface'
import { useReceipt } from './api'

export function Component() {
  const receipt = useReceipt(Number(useParams().number))
  return (
    <>
      <Link
        to="/account/receipts"
        className="no-print mb-3 inline-flex items-center gap-1 rounded text-sm text-ink-3 hover:text-ink"
      >
        <ArrowLeft size={16} aria-hidden />
        All receipts
      </Link>
      {receipt.data === undefined && <PageHead title="Receipt" />}
      <Answered asked={receipt}>
        {(found) => (
          <>
            <PageHead title={`Receipt ${found.name}`}>
              <Button
                look="secondary"
                className="no-print"
                onClick={() => {
                  window.print()
                }}
              >
                <Printer size={16} aria-hidden />
                Print
              </Button>
            </PageHead>
            <div className="card max-w-2xl p-6 sm:p-10">
              <div className="mb-8 flex flex-wrap items-start justify-between gap-4">
                <div>
                  <Brand />
                  {found.seller && (
                    <p className="mt-3 text-sm whitespace-pre-line text-ink">{found.seller}</p>
                  )}
                </div>
                <p className="text-right text-sm text-ink-3">
                  Issued on
                  <br />
                  <span className="font-medium text-ink">{day(found.issued_at)}</span>
                </p>
              </div>
              <Facts
                facts={[
                  ['For', found.account_name],
                  ['Paid by', found.payer_name],
                  ['Plan', found.plan_name],
                  ['Period', `${day(found.period_start)} to ${day(found.period_end)}`],
                  ['Payment', found.external_payment_id],
                ]}
              />
              <p className="mt-8 flex items-baseline justify-between border-t border-line pt-4">
                <span className="font-medium text-ink">Total</span>
                <span className="tabular text-2xl font-semibold text-ink">
                  {money(found.amount, found.currency)}
                </span>
              </p>
            </div>
          </>
        )}
      </Answered>
    </>
  )
}
