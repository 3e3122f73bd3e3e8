import { useMutation } from '@tanstack/react-query'
import { plain, visitor } from '@/shared/api/client'
import { Button, ButtonLink } from '@/shared/ui/button'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Callout } from '@/shared/ui/surface'
import { Frame, TextLink } from './frame'
import { useLinkToken } from './link-token'

/** The link of a mail leads here. It takes a press: programs that open links in mails do not use the token up. */
export function Component() {
  const token = useLinkToken()
  const verify = useMutation({
    mutationFn: (body: { token: string }) => plain(visitor.POST('/api/v1/auth/verify-email/', { body })),
  })
  return (
    <Frame title="Confirm your address" foot={<TextLink to="/">To the app</TextLink>}>
      <div className="grid gap-4">
        {token === null && (
          <Callout tone="warn" title="This link is not complete">
            Please open the link of the mail once more, or copy the whole of it.
          </Callout>
        )}
        {verify.isSuccess ? (
          <>
            <Callout tone="good" role="status" title="Thank you">
              Your e-mail address is confirmed.
            </Callout>
            <ButtonLink to="/sites">Go on</ButtonLink>
          </>
        ) : (
          <>
            <RefusalLine error={verify.error} />
            {token !== null && (
              <Button
                busy={verify.isPending}
                onClick={() => {
                  verify.mutate({ token })
                }}
              >
                Confirm my address
              </Button>
            )}
          </>
        )}
      </div>
    </Frame>
  )
}
