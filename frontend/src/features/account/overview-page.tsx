import { useState } from 'react'
import { useAccount, useCredits } from '@/shared/api/queries'
import type { Account, Subscription } from '@/shared/auth'
import { useSession } from '@/shared/auth'
import { count, day, money } from '@/shared/lib/format'
import { useNow } from '@/shared/lib/now'
import { Answered } from '@/shared/ui/answered'
import { Button, ButtonLink } from '@/shared/ui/button'
import { Confirm, Dialog } from '@/shared/ui/dialog'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Badge, Card, Facts, PageHead } from '@/shared/ui/surface'
import { say } from '@/shared/ui/toast'
import { useCancelOrResume, usePayments, useRenameAccount, useSubscription } from './api'
import { inWords } from './standing'
import { TimeLine } from './time-line'

export function Component() {
  const account = useAccount()
  const subscription = useSubscription()
  return (
    <>
      <PageHead title={account.data?.name ?? 'Account'} lead="Your plan, your period, your credits.">
        {account.data && <Rename account={account.data} />}
      </PageHead>
      <Answered asked={account}>
        {(found) => (
          <Answered asked={subscription}>
            {(running) => <Overview account={found} running={running} />}
          </Answered>
        )}
      </Answered>
    </>
  )
}

function Overview({ account, running }: { account: Account; running: Subscription }) {
  const payments = usePayments()
  const now = useNow(60_000)
  const words = inWords(account, running)
  const isOwner = useSession((state) => state.user?.role === 'owner')
  return (
    <div className="grid gap-5 lg:grid-cols-3">
      <Card
        title={account.plan?.name ?? 'No plan'}
        aside={<Badge tone={words.tone}>{words.label}</Badge>}
        className="lg:col-span-2"
      >
        <p className="mb-6 text-ink-2">{words.sentence}</p>
        <TimeLine subscription={running} payments={payments.data?.items ?? []} now={now} />
        <div className="mt-6 flex flex-wrap gap-2">
          <ButtonLink to="/account/upgrade">
            {account.status === 'active' ? 'Change the plan' : 'Choose a plan'}
          </ButtonLink>
          {isOwner && running.status === 'active' && <CancelOrResume running={running} />}
        </div>
      </Card>
      <CreditCard />
      <Card title="Details" className="lg:col-span-3">
        <Facts
          facts={[
            ['Account number', <span className="tabular">{account.id}</span>],
            ['Since', day(account.created_at)],
            ['Price', price(account)],
            ['Paid by', paidBy(running.payment_method)],
          ]}
        />
      </Card>
    </div>
  )
}

function price({ plan }: Account): string {
  if (!plan || Number(plan.price) === 0) return plan?.by_agreement ? 'By agreement' : 'Free'
  return `${money(plan.price, plan.currency)} ${plan.billing_cycle === 'annual' ? 'a year' : 'a month'}`
}

function paidBy(method: string): string {
  const words: Record<string, string> = {
    trial: 'Nothing to pay yet',
    bank_transfer: 'Bank transfer',
    stripe: 'Card',
    manual: 'Agreement',
  }
  return words[method] ?? method
}

function CreditCard() {
  const credits = useCredits()
  return (
    <Card title="Credits" className="flex flex-col">
      <Answered asked={credits} skeleton={<div className="h-20" />}>
        {({ available, held, balance }) => (
          <>
            <p className="tabular text-4xl font-semibold tracking-tight text-ink">{count(available)}</p>
            <p className="mt-1 text-ink-3">
              {held > 0 ? `available; ${count(held)} of ${count(balance)} are set aside` : 'available'}
            </p>
          </>
        )}
      </Answered>
      <ButtonLink to="/account/usage" look="secondary" className="mt-6 self-start lg:mt-auto">
        See the usage
      </ButtonLink>
    </Card>
  )
}

function CancelOrResume({ running }: { running: Subscription }) {
  const way = running.cancel_at_period_end ? 'resume' : 'cancel'
  const change = useCancelOrResume(way)
  const [asking, setAsking] = useState(false)
  if (way === 'resume') {
    return (
      <>
        <Button
          look="secondary"
          busy={change.isPending}
          onClick={() => {
            change.mutate()
          }}
        >
          Go on after all
        </Button>
        <RefusalLine error={change.error} />
      </>
    )
  }
  return (
    <>
      <Button
        look="quiet"
        onClick={() => {
          setAsking(true)
        }}
      >
        End the subscription
      </Button>
      {asking && (
        <Confirm
          open
          onClose={() => {
            setAsking(false)
          }}
          title="End the subscription?"
          lead={`It goes on until ${day(running.current_period_end)}. You can take this back until then.`}
          action="End it"
          busy={change.isPending}
          error={change.error}
          onConfirm={() => {
            change.mutate(undefined, {
              onSuccess: () => {
                setAsking(false)
              },
            })
          }}
        />
      )}
    </>
  )
}

function Rename({ account }: { account: Account }) {
  const mayChange = useSession((state) => ['owner', 'admin'].includes(state.user?.role ?? ''))
  const [open, setOpen] = useState(false)
  const [name, setName] = useState(account.name)
  const rename = useRenameAccount()
  if (!mayChange) return null
  const close = () => {
    setOpen(false)
    rename.reset()
  }
  return (
    <>
      <Button
        look="secondary"
        onClick={() => {
          setName(account.name)
          setOpen(true)
        }}
      >
        Rename
      </Button>
      <Dialog open={open} onClose={close} title="Rename the account">
        <form
          className="grid gap-4"
          onSubmit={(event) => {
            event.preventDefault()
            rename.mutate(name.trim(), {
              onSuccess: () => {
                say('The account has been renamed')
                close()
              },
            })
          }}
        >
          <TextField
            label="Name"
            value={name}
            required
            maxLength={100}
            onChange={(event) => {
              setName(event.target.value)
            }}
          />
          <RefusalLine error={rename.error} />
          <Button type="submit" busy={rename.isPending}>
            Save
          </Button>
        </form>
      </Dialog>
    </>
  )
}
