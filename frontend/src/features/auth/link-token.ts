import { useLocation } from 'react-router'

/** The token of a mailed link. It stands behind the `#`, which a browser sends to nobody. */
export function useLinkToken(): string | null {
  const { hash } = useLocation()
  return new URLSearchParams(hash.slice(1)).get('token')
}
