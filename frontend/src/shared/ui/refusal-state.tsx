// A whole screen's refusal: what happened, what can be done, and when it makes sense to try again.
import { Ban, CloudOff, CreditCard, Gauge, SearchX, ServerCrash } from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { asRefusal, type Refusal, UNREACHABLE } from '@/shared/api/refusal'
import { plural } from '@/shared/lib/format'
import { useCountdown } from '@/shared/lib/now'
import { Button, ButtonLink } from './button'
import { explain } from './explain'
import { Empty } from './surface'

function iconOf({ code, status }: Refusal): ReactNode {
  if (code === UNREACHABLE) return <CloudOff size={22} />
  if (status === 402) return <CreditCard size={22} />
  if (status === 404) return <SearchX size={22} />
  if (status === 429) return <Gauge size={22} />
  if (status >= 500) return <ServerCrash size={22} />
  return <Ban size={22} />
}

export function RefusalState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const refusal = asRefusal(error)
  const seconds = useCountdown(refusal.retryAfterSeconds, error)
  const waits = refusal.retryAfterSeconds !== undefined && seconds > 0
  const over = refusal.retryAfterSeconds !== undefined && seconds === 0
  const { title, advice, link } = explain(refusal)
  useRetryWhen(over || refusal.code === UNREACHABLE, over, onRetry)
  return (
    <div role="alert">
      <Empty
        icon={iconOf(refusal)}
        title={title}
        action={
          <>
            {link && <ButtonLink to={link.to}>{link.label}</ButtonLink>}
            {onRetry && (
              <Button look="secondary" disabled={waits} onClick={onRetry}>
                {waits ? (
                  <span className="tabular">Try again in {plural(seconds, 'second')}</span>
                ) : (
                  'Try again'
                )}
              </Button>
            )}
          </>
        }
      >
        <p>{advice}</p>
        {refusal.requestId !== undefined && (
          <p className="mt-3 font-mono text-xs break-all">Request {refusal.requestId}</p>
        )}
      </Empty>
    </div>
  )
}

/** Retries by itself: when the wait is over, or when the browser says that it is online again. */
function useRetryWhen(active: boolean, now: boolean, retry: (() => void) | undefined) {
  useEffect(() => {
    if (!active || !retry) return
    if (now) {
      retry()
      return
    }
    window.addEventListener('online', retry)
    return () => {
      window.removeEventListener('online', retry)
    }
    // Once for each turn of `active`: the function itself may be a new one with each render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [active, now])
}
