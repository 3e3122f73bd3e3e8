// The first question of every visit: is somebody signed in? Nothing else is shown before it is answered.
import { type ReactNode, useCallback, useEffect, useState } from 'react'
import { session, useSession } from '@/shared/auth'
import { Brand } from '@/shared/ui/brand'
import { Spinner } from '@/shared/ui/button'

export function Start({ children }: { children: ReactNode }) {
  const unknown = useSession((state) => state.status === 'unknown')
  const [error, setError] = useState<unknown>(null)
  const begin = useCallback(() => {
    session.start().then(() => {
      setError(null)
    }, setError)
  }, [])
  useEffect(begin, [begin])
  if (!unknown) return children
  return <Opening error={error} onRetry={begin} />
}

function Opening({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  useEffect(() => {
    if (error === null) return
    const timer = setTimeout(onRetry, 3_000)
    return () => {
      clearTimeout(timer)
    }
  }, [error, onRetry])
  return (
    <main className="glow grid min-h-dvh place-items-center px-6">
      <div role="status" className="grid justify-items-center gap-4 text-center">
        <Brand className="text-xl" />
        <h1 className="sr-only">Opening igny8</h1>
        <p className="flex items-center gap-2 text-ink-3">
          <Spinner />
          {error === null ? 'One moment' : 'The server cannot be reached. We keep trying.'}
        </p>
      </div>
    </main>
  )
}
