import { useEffect } from 'react'

/** Names the page in the window's title. */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · igny8`
  }, [title])
}
