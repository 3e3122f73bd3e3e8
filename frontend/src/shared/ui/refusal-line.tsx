import { Link } from 'react-router'
import { asRefusal } from '@/shared/api/refusal'
import { useCountdown } from '@/shared/lib/now'
import { plural } from '@/shared/lib/format'
import { Callout } from './surface'
import { explain } from './explain'

/** What went wrong, in a form: one line above its button. */
export function RefusalLine({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null
  return <Line error={error} />
}

function Line({ error }: { error: unknown }) {
  const refusal = asRefusal(error)
  const seconds = useCountdown(refusal.retryAfterSeconds, error)
  const { title, advice, tone, link } = explain(refusal)
  return (
    <Callout tone={tone} title={title} role="alert">
      {advice}
      {refusal.retryAfterSeconds !== undefined &&
        (seconds > 0 ? ` Try again in ${plural(seconds, 'second')}.` : ' You can try again now.')}
      {link && (
        <>
          {' '}
          <Link to={link.to} className="font-semibold underline underline-offset-2">
            {link.label}
          </Link>
        </>
      )}
    </Callout>
  )
}
