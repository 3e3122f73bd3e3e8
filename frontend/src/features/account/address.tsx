import { useMutation } from '@tanstack/react-query'
import { api, plain } from '@/shared/api/client'
import { useSession } from '@/shared/auth'
import { Button } from '@/shared/ui/button'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Badge, Callout, Card } from '@/shared/ui/surface'

/** Asks for the mail with the link once more. */
function useResend() {
  return useMutation({
    mutationFn: () => plain(api.POST('/api/v1/auth/verify-email/resend/')),
  })
}

/** One's address, and whether it is known to be one's own. */
export function Address() {
  const user = useSession((state) => state.user)
  const resend = useResend()
  if (!user) return null
  return (
    <Card
      title="E-mail address"
      aside={
        user.email_verified ? <Badge tone="good">Confirmed</Badge> : <Badge tone="warn">Not confirmed</Badge>
      }
    >
      <div className="grid gap-4">
        <p className="font-medium break-words text-ink">{user.email}</p>
        {!user.email_verified && (
          <>
            <p className="text-sm text-ink-3">
              Nobody has shown yet that this address is yours. The link in our mail does.
            </p>
            <RefusalLine error={resend.error} />
            {resend.isSuccess ? (
              <Callout tone="good" role="status">
                Another mail is on its way. Its link works for three days.
              </Callout>
            ) : (
              <Button
                look="secondary"
                className="justify-self-start"
                busy={resend.isPending}
                onClick={() => {
                  resend.mutate()
                }}
              >
                Send the mail again
              </Button>
            )}
          </>
        )}
      </div>
    </Card>
  )
}
