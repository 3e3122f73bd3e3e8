import { ReceiptText } from 'lucide-react'
import { Link } from 'react-router'
import { day, money } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { ButtonLink } from '@/shared/ui/button'
import { More } from '@/shared/ui/more'
import { Empty, PageHead, Table, Td, Th } from '@/shared/ui/surface'
import { useReceipts } from './api'

export function Component() {
  const receipts = useReceipts()
  return (
    <>
      <PageHead title="Receipts" lead="One for every payment, to print or to keep." />
      <Answered asked={receipts}>
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={<ReceiptText size={22} />}
              title="No receipts yet"
              action={<ButtonLink to="/account/upgrade">See the plans</ButtonLink>}
            >
              The first one comes with your first payment.
            </Empty>
          ) : (
            <Table
              label="Receipts"
              head={
                <>
                  <Th>Receipt</Th>
                  <Th>Issued</Th>
                  <Th>Plan</Th>
                  <Th>Period</Th>
                  <Th right>Amount</Th>
                </>
              }
            >
              {items.map((receipt) => (
                <tr key={receipt.number}>
                  <Td>
                    <Link
                      to={`/account/receipts/${String(receipt.number)}`}
                      className="font-medium whitespace-nowrap text-ink underline underline-offset-2"
                    >
                      {receipt.name}
                    </Link>
                  </Td>
                  <Td className="whitespace-nowrap">{day(receipt.issued_at)}</Td>
                  <Td>{receipt.plan_name}</Td>
                  <Td className="whitespace-nowrap text-ink-3">
                    {day(receipt.period_start)} to {day(receipt.period_end)}
                  </Td>
                  <Td right>{money(receipt.amount, receipt.currency)}</Td>
                </tr>
              ))}
            </Table>
          )
        }
      </Answered>
      <More list={receipts} />
    </>
  )
}
