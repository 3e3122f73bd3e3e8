// Periods as a line of time: those that were paid for, the running one, and where today stands.
import type { Subscription } from '@/shared/auth'
import { classNames } from '@/shared/lib/class-names'
import { day, daysLeft, plural, progress, shortDay } from '@/shared/lib/format'
import type { Payment } from './api'

interface Period {
  start: string
  end: string
}

const sameMoment = (one: string, other: string) => Date.parse(one) === Date.parse(other)

/** The last few periods, the running one at the end. */
export function periodsOf(subscription: Subscription, payments: Payment[]): Period[] {
  const running = { start: subscription.current_period_start, end: subscription.current_period_end }
  const earlier = payments
    .flatMap(({ period_start: start, period_end: end }) => (start && end ? [{ start, end }] : []))
    .filter(({ start }) => Date.parse(start) < Date.parse(running.start) && !sameMoment(start, running.start))
    .map(({ start, end }) => ({
      start,
      end: Date.parse(end) > Date.parse(running.start) ? running.start : end,
    }))
    .sort((one, other) => Date.parse(one.start) - Date.parse(other.start))
  return [...earlier.slice(-3), running]
}

export function TimeLine({
  subscription,
  payments,
  now,
}: {
  subscription: Subscription
  payments: Payment[]
  now: number
}) {
  const periods = periodsOf(subscription, payments)
  const running = periods.length - 1
  const left = daysLeft(subscription.current_period_end, now)
  const through = progress(subscription.current_period_start, subscription.current_period_end, now) * 100
  return (
    <figure>
      <figcaption className="mb-3 flex flex-wrap items-baseline justify-between gap-2">
        <span className="font-medium text-ink">
          {left > 0 ? `${plural(left, 'day')} left` : 'The period has ended'}
        </span>
        <span className="text-sm text-ink-3">
          {day(subscription.current_period_start)} to {day(subscription.current_period_end)}
        </span>
      </figcaption>
      <ol className="flex gap-1">
        {periods.map((period, index) => (
          <li key={period.start} className={classNames('min-w-0', index === running ? 'flex-[3]' : 'flex-1')}>
            <div className="relative h-3 rounded-full bg-sunken">
              <div
                className={classNames('h-full rounded-full', index === running ? 'bg-accent' : 'bg-edge/50')}
                style={{ width: index === running ? `max(0.75rem, ${String(through)}%)` : '100%' }}
              />
              {index === running && (
                <div
                  aria-hidden
                  className="absolute -top-1 h-5 w-1 -translate-x-1/2 rounded-full border border-surface bg-ink"
                  style={{ left: `clamp(0.5rem, ${String(through)}%, calc(100% - 0.25rem))` }}
                />
              )}
            </div>
            <div className="mt-1.5 flex justify-between gap-2 text-xs text-ink-3">
              <span className={index === running ? '' : 'truncate'}>{shortDay(period.start)}</span>
              {index === running && <span>{shortDay(period.end)}</span>}
            </div>
          </li>
        ))}
      </ol>
    </figure>
  )
}
