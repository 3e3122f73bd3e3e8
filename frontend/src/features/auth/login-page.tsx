import { zodResolver } from '@hookform/resolvers/zod'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import * as z from 'zod/mini'
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
})

export function Component() {
  const form = useForm({ resolver: zodResolver(shape), defaultValues: { email: '', password: '' } })
  const [error, setError] = useState<unknown>(null)
  const { errors, isSubmitting } = form.formState

  const submit = form.handleSubmit(async (values) => {
    setError(null)
    try {
      await session.login(values)
    } catch (refused) {
      setError(placeRefusal(refused, form))
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
