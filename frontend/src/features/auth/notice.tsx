import { session, useSession } from '@/shared/auth'
import { Callout } from '@/shared/ui/surface'

/** What happened to a session that did not belong here, or to a sign-out that nobody confirmed. */
export function SessionNotice() {
  const notice = useSession((state) => state.notice)
  const ended = useSession((state) => state.reason === 'ended')
  if (notice === 'sign_out_unconfirmed') {
    return (
      <Callout tone="warn" role="status" title="Signed out on this device only">
        The server could not be reached. Its part of your sign-in ends by itself, or{' '}
        <button
          type="button"
          className="font-semibold underline underline-offset-2"
          onClick={() => void session.logout()}
        >
          try again
        </button>
        .
      </Callout>
    )
  }
  if (notice !== null) {
    return (
      <Callout tone="note" role="status" title="An administrator was signed in with this browser">
        That session does not count outside the admin panel. It has been ended, and you go on without it.
      </Callout>
    )
  }
  return ended ? (
    <Callout tone="note" role="status">
      Your sign-in has ended. Please sign in again.
    </Callout>
  ) : null
}
