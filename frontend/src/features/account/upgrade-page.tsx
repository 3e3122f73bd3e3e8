import { Check, Clock, PartyPopper } from 'lucide-react'
import { useEffect, useState } from 'react'
import { keys, queryClient, useAccount } from '@/shared/api/queries'
import type { Account } from '@/shared/auth'
import { useSession } from '@/shared/auth'
import { classNames } from '@/shared/lib/class-names'
import { count, day, money } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button, ButtonLink, Spinner } from '@/shared/ui/button'
import { CopyText } from '@/shared/ui/copy'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Badge, Callout, Card, Empty, Facts, PageHead } from '@/shared/ui/surface'
import { type Payment, type Plan, usePayments, usePlans, useUpgrade } from './api'

const LOOK_EVERY_MS = 2_000

export function Component() {
  const account = useAccount()
  const plans = usePlans()
  // The reference that this visit waits for: when it is confirmed, the page says so instead of just changing.
  const [awaited, setAwaited] = useState<string | null>(null)
  const [choosing, setChoosing] = useState(false)
  const payments = usePayments(LOOK_EVERY_MS)
  const upgrade = useUpgrade()
  const items = payments.data?.items ?? []
  const pending = items.find((payment) => payment.status === 'pending')
  const done = items.find(
    (payment) => payment.status === 'confirmed' && awaited !== null && payment.reference === awaited,
  )
  if (pending?.reference && pending.reference !== awaited) setAwaited(pending.reference)

  const choose = (slug: string) => {
    upgrade.mutate(slug, {
      onSuccess: () => {
        setChoosing(false)
      },
    })
  }

  return (
    <>
      <PageHead
        title="Plans"
        lead={`Pay by bank transfer. ${account.data?.status === 'trial' ? 'Your trial' : 'Your plan'} goes on until the payment is confirmed.`}
      />
      <Answered asked={account}>
        {(found) => (
          <Answered asked={plans}>
            {({ items: catalogue }) => (
              <div className="grid grid-cols-1 gap-6">
                {done && <Confirmed payment={done} catalogue={catalogue} />}
                {pending && !choosing && (
                  <Waiting
                    payment={pending}
                    catalogue={catalogue}
                    instructions={
                      upgrade.data?.reference === pending.reference ? upgrade.data?.instructions : undefined
                    }
                    onAsk={() => {
                      choose(pending.plan_slug)
                    }}
                    busy={upgrade.isPending}
                    onChange={() => {
                      setChoosing(true)
                    }}
                  />
                )}
                <RefusalLine error={upgrade.error} />
                {(!pending || choosing) && (
                  <Catalogue
                    account={found}
                    catalogue={catalogue}
                    busy={upgrade.isPending ? upgrade.variables : null}
                    onChoose={choose}
                  />
                )}
              </div>
            )}
          </Answered>
        )}
      </Answered>
    </>
  )
}

function nameOf(slug: string, catalogue: Plan[]): string {
  return catalogue.find((plan) => plan.slug === slug)?.name ?? slug
}

function Catalogue({
  account,
  catalogue,
  busy,
  onChoose,
}: {
  account: Account
  catalogue: Plan[]
  busy: string | null
  onChoose: (slug: string) => void
}) {
  const mayBuy = useSession((state) => ['owner', 'admin'].includes(state.user?.role ?? ''))
  const shown = catalogue.filter((plan) => Number(plan.price) > 0 || plan.by_agreement)
  const best = shown[Math.floor((shown.length - 1) / 2)]?.slug
  return (
    <>
      {!mayBuy && (
        <Callout tone="note">
          Owners and admins of the account choose its plan. You can look at them here.
        </Callout>
      )}
      <ul className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        {shown.map((plan) => (
          <PlanCard
            key={plan.slug}
            plan={plan}
            highlighted={plan.slug === best}
            current={plan.slug === account.plan?.slug && account.status === 'active'}
            mayBuy={mayBuy}
            busy={busy}
            onChoose={onChoose}
          />
        ))}
      </ul>
    </>
  )
}

function PlanCard({
  plan,
  highlighted,
  current,
  mayBuy,
  busy,
  onChoose,
}: {
  plan: Plan
  highlighted: boolean
  current: boolean
  mayBuy: boolean
  busy: string | null
  onChoose: (slug: string) => void
}) {
  const annual = plan.billing_cycle === 'annual'
  return (
    <li className={classNames('card flex flex-col p-6', highlighted && 'border-accent ring-1 ring-accent')}>
      <div className="flex items-center justify-between gap-2">
        <h2 className="text-lg font-semibold text-ink">{plan.name}</h2>
        {current ? <Badge tone="good">Yours</Badge> : highlighted && <Badge tone="plain">Recommended</Badge>}
      </div>
      <p className="mt-3 grid min-h-16 content-start">
        {plan.by_agreement ? (
          <span className="text-xl font-semibold text-ink">By agreement</span>
        ) : (
          <>
            <span className="tabular text-3xl font-semibold tracking-tight text-ink">
              {money(plan.price, plan.currency)}
            </span>
            <span className="text-ink-3">{annual ? 'a year' : 'a month'}</span>
          </>
        )}
      </p>
      <ul className="mt-4 mb-6 grid gap-2 text-sm text-ink-2">
        {[
          `${count(plan.effective_credits)} credits a month`,
          `about ${count(plan.effective_credits * 100)} words`,
          plan.by_agreement ? 'terms of your own' : `${annual ? '365' : '30'} days at a time`,
        ].map((line) => (
          <li key={line} className="flex gap-2">
            <Check size={16} aria-hidden className="mt-0.5 shrink-0 text-accent-text" />
            {line}
          </li>
        ))}
      </ul>
      {plan.by_agreement ? (
        <a
          href="mailto:sales@igny8.example"
          className="mt-auto inline-flex min-h-10 items-center justify-center rounded-lg border border-edge/60 px-4 text-sm font-medium hover:bg-sunken"
        >
          Write to us
        </a>
      ) : (
        <Button
          className="mt-auto"
          look={highlighted ? 'primary' : 'secondary'}
          busy={busy === plan.slug}
          disabled={!mayBuy || current || busy !== null}
          onClick={() => {
            onChoose(plan.slug)
          }}
        >
          {current ? 'Your plan' : `Choose ${plan.name}`}
        </Button>
      )}
    </li>
  )
}

function Waiting({
  payment,
  catalogue,
  instructions,
  onAsk,
  busy,
  onChange,
}: {
  payment: Payment
  catalogue: Plan[]
  instructions: string | undefined
  onAsk: () => void
  busy: boolean
  onChange: () => void
}) {
  return (
    <Card
      title={`Your way to ${nameOf(payment.plan_slug, catalogue)}`}
      aside={<Badge tone="note">Waiting for payment</Badge>}
    >
      <div className="grid gap-6 lg:grid-cols-2">
        <div className="grid content-start gap-5">
          <Facts
            facts={[
              ['Amount', <span className="tabular text-xl">{money(payment.amount, payment.currency)}</span>],
              ['Asked for', day(payment.created_at)],
            ]}
          />
          {payment.reference && (
            <CopyText label="Write this reference on the transfer" text={payment.reference} />
          )}
          {instructions === undefined ? (
            <Button look="secondary" className="justify-self-start" busy={busy} onClick={onAsk}>
              Show how to pay
            </Button>
          ) : (
            <Callout tone="plain" title="How to pay">
              <span className="whitespace-pre-line">{instructions}</span>
            </Callout>
          )}
        </div>
        <div className="grid content-between gap-5 rounded-xl bg-sunken p-5">
          <ol className="grid gap-3">
            {[
              ['Plan chosen', true],
              ['Your transfer is on its way', false],
              ['We confirm it, and the plan begins at once', false],
            ].map(([text, past], index) => (
              <li key={String(text)} className="flex items-center gap-3">
                <span
                  aria-hidden
                  className={classNames(
                    'grid size-7 shrink-0 place-items-center rounded-full text-sm font-medium',
                    past ? 'bg-good-soft text-good' : 'border border-line bg-surface text-ink-2',
                  )}
                >
                  {past ? <Check size={15} /> : index === 1 ? <Clock size={15} /> : index + 1}
                </span>
                <span className={past ? 'text-ink-3' : 'text-ink'}>{text}</span>
              </li>
            ))}
          </ol>
          <p role="status" className="flex items-center gap-2 text-sm text-ink-3">
            <Spinner /> This page turns by itself. You can close it, too.
          </p>
          <Button look="quiet" className="justify-self-start" onClick={onChange}>
            Choose another plan
          </Button>
        </div>
      </div>
    </Card>
  )
}

function Confirmed({ payment, catalogue }: { payment: Payment; catalogue: Plan[] }) {
  useEffect(() => {
    // What the whole app shows of plan and credits is not true any more.
    for (const queryKey of [keys.account, keys.subscription, keys.credits]) {
      void queryClient.invalidateQueries({ queryKey, exact: true })
    }
  }, [])
  return (
    <div role="status">
      <Empty
        icon={<PartyPopper size={22} />}
        title={`${nameOf(payment.plan_slug, catalogue)} is active`}
        action={
          <>
            <ButtonLink to="/sites">To work</ButtonLink>
            {payment.receipt_number && (
              <ButtonLink look="secondary" to={`/account/receipts/${String(payment.receipt_number)}`}>
                See the receipt
              </ButtonLink>
            )}
          </>
        }
      >
        Your payment has arrived. {payment.period_end && `It is paid until ${day(payment.period_end)}.`}
      </Empty>
    </div>
  )
}
