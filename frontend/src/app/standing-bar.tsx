import { Link, useLocation } from 'react-router'
import { useAccount } from '@/shared/api/queries'

const sentences: Record<string, string> = {
  trial_ended: 'Your trial has ended. You can read everything; choose a plan to go on working.',
  payment_overdue: 'A payment is overdue. You can read everything; pay to go on working.',
}

/** One line above every page, when the account's standing stands in the way of work. */
export function StandingBar() {
  const { data: account } = useAccount()
  const { pathname } = useLocation()
  const reason = account?.status === 'suspended' ? account.suspend_reason : undefined
  const sentence =
    account?.status === 'past_due'
      ? 'A payment is overdue. Please pay within the next days.'
      : (sentences[reason ?? ''] ?? (reason ? 'This account is suspended. Please contact us.' : undefined))
  if (sentence === undefined || pathname === '/account/upgrade') return null
  return (
    <div role="status" className="border-b border-line bg-warn-soft px-4 py-2.5 text-sm text-warn sm:px-8">
      {sentence}{' '}
      <Link to="/account/upgrade" className="font-semibold underline underline-offset-2">
        See the plans
      </Link>
    </div>
  )
}
