import { zodResolver } from '@hookform/resolvers/zod'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import * as z from 'zod/mini'
import { asRefusal } from '@/shared/api/refusal'
import { session } from '@/shared/auth'
import { placeRefusal } from '@/shared/lib/form'
import { Button } from '@/shared/ui/button'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Frame, TextLink } from './frame'
import { SessionNotice } from './notice'
import { PasswordField } from './password-field'

const shape = z.object({
  email: z.string().check(z.minLength(1, 'Enter your e-mail address.')),
  password: z.string().check(z.minLength(1, 'Enter your password.')),
  totp: z.string(),
})

export function Component() {
  const form = useForm({ resolver: zodResolver(shape), defaultValues: { email: '', password: '', totp: '' } })
  const [error, setError] = useState<unknown>(null)
  // Asked for only where the account has a second factor.
  const [asksForCode, setAsksForCode] = useState(false)
  const { errors, isSubmitting } = form.formState

  const submit = form.handleSubmit(async (values) => {
    setError(null)
    try {
      const { totp, ...rest } = values
      await session.login({ ...rest, ...(totp.trim() ? { totp: totp.trim() } : {}) })
    } catch (refused) {
      const { code } = asRefusal(refused)
      if (code === 'totp_required') setAsksForCode(true)
      else setError(placeRefusal(refused, form))
    }
  })

  return (
    <Frame
      title="Welcome back"
      lead="Sign in to your account."
      foot={
        <>
          New here? <TextLink to="/signup">Create an account</TextLink>
        </>
      }
    >
      <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
        <SessionNotice />
        <TextField
          label="E-mail address"
          type="email"
          autoComplete="username"
          error={errors.email?.message}
          {...form.register('email')}
        />
        <PasswordField
          label="Password"
          autoComplete="current-password"
          error={errors.password?.message}
          {...form.register('password')}
        />
        {asksForCode && (
          <TextField
            label="Code"
            hint="From your authenticator app, or a recovery code."
            autoComplete="one-time-code"
            error={errors.totp?.message}
            {...form.register('totp')}
          />
        )}
        <RefusalLine error={error} />
        <Button type="submit" busy={isSubmitting} className="w-full">
          Sign in
        </Button>
        <p className="text-center text-sm">
          <TextLink to="/reset">Forgot your password?</TextLink>
        </p>
      </form>
    </Frame>
  )
}
