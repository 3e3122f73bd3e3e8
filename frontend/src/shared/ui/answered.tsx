import { type ReactNode } from 'react'
import { Skeleton } from './surface'
import { RefusalState } from './refusal-state'

interface Asked<T> {
  data: T | undefined
  error: unknown
  isPending: boolean
  refetch: () => unknown
}

/** What was asked for: on its way, refused, or there. Older data stays on the screen while a refetch fails. */
export function Answered<T>({
  asked,
  skeleton,
  children,
}: {
  asked: Asked<T>
  skeleton?: ReactNode
  children: (data: T) => ReactNode
}) {
  if (asked.data !== undefined) return children(asked.data)
  if (asked.isPending) return skeleton ?? <Skeleton />
  return (
    <RefusalState
      error={asked.error}
      onRetry={() => {
        void asked.refetch()
      }}
    />
  )
}
