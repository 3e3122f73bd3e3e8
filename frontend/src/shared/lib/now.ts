// The time of this machine as something that a component may depend on.
import { useEffect, useState } from 'react'

/** Now, in milliseconds, read again every so often. */
export function useNow(everyMs = 30_000): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(Date.now())
    }, everyMs)
    return () => {
      clearInterval(timer)
    }
  }, [everyMs])
  return now
}

/** Counts `seconds` down to 0, starting anew with each `key`. */
export function useCountdown(seconds: number | undefined, key: unknown): number {
  const now = useNow(250)
  const [ends, setEnds] = useState(now + (seconds ?? 0) * 1000)
  const [seen, setSeen] = useState(key)
  if (seen !== key) {
    setSeen(key)
    setEnds(now + (seconds ?? 0) * 1000)
  }
  return Math.max(0, Math.ceil((ends - now) / 1000))
}
