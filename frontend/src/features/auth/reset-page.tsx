import { zodResolver } from '@hookform/resolvers/zod'
import { useMutation } from '@tanstack/react-query'
import { useForm, useWatch } from 'react-hook-form'
import * as z from 'zod/mini'
import { plain, visitor } from '@/shared/api/client'
import { Button, ButtonLink } from '@/shared/ui/button'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Callout } from '@/shared/ui/surface'
import { Frame, TextLink } from './frame'
import { useLinkToken } from './link-token'
import { NewPasswordField } from './password-field'

/** Without a token it asks where to send one; with the token of the mail it takes the new password. */
export function Component() {
  const token = useLinkToken()
  return token === null ? <AskForMail /> : <ChooseAnew token={token} />
}

const addressShape = z.object({
  email: z.string().check(z.email('Enter an e-mail address, like ada@example.com.')),
})

function AskForMail() {
  const form = useForm({ resolver: zodResolver(addressShape), defaultValues: { email: '' } })
  const ask = useMutation({
    mutationFn: (body: { email: string }) => plain(visitor.POST('/api/v1/auth/password-reset/', { body })),
  })
  const submit = form.handleSubmit((values) => {
    ask.mutate(values)
  })
  return (
    <Frame
      title="Reset your password"
      lead="We send you a link that lets you choose a new one."
      foot={<TextLink to="/login">Back to signing in</TextLink>}
    >
      {ask.isSuccess ? (
        <Callout tone="good" role="status" title="Please look into your mailbox">
          If there is an account with this address, a link is on its way. It works once, and for a short
          while.
        </Callout>
      ) : (
        <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
          <TextField
            label="E-mail address"
            type="email"
            autoComplete="email"
            error={form.formState.errors.email?.message}
            {...form.register('email')}
          />
          <RefusalLine error={ask.error} />
          <Button type="submit" busy={ask.isPending} className="w-full">
            Send the link
          </Button>
        </form>
      )}
    </Frame>
  )
}

const passwordShape = z.object({ password: z.string().check(z.minLength(8, 'Use at least 8 characters.')) })

function ChooseAnew({ token }: { token: string }) {
  const form = useForm({ resolver: zodResolver(passwordShape), defaultValues: { password: '' } })
  const password = useWatch({ control: form.control, name: 'password' })
  const change = useMutation({
    mutationFn: (body: { password: string }) =>
      plain(
        visitor.POST('/api/v1/auth/password-reset/confirm/', {
          body: { token, new_password: body.password },
        }),
      ),
  })
  const submit = form.handleSubmit((values) => {
    change.mutate(values)
  })
  return (
    <Frame title="Choose a new password" foot={<TextLink to="/login">Back to signing in</TextLink>}>
      {change.isSuccess ? (
        <div className="grid gap-4">
          <Callout tone="good" role="status" title="Your password has been changed">
            Every earlier sign-in has been ended.
          </Callout>
          <ButtonLink to="/login">Sign in</ButtonLink>
        </div>
      ) : (
        <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
          <NewPasswordField
            label="New password"
            value={password}
            personal={[]}
            error={form.formState.errors.password?.message}
            {...form.register('password')}
          />
          <RefusalLine error={change.error} />
          <Button type="submit" busy={change.isPending} className="w-full">
            Change the password
          </Button>
        </form>
      )}
    </Frame>
  )
}
