import { zodResolver } from '@hookform/resolvers/zod'
import { useState } from 'react'
import { useForm, useWatch } from 'react-hook-form'
import * as z from 'zod/mini'
import { session } from '@/shared/auth'
import { placeRefusal } from '@/shared/lib/form'
import { Button } from '@/shared/ui/button'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Callout } from '@/shared/ui/surface'
import { Frame, TextLink } from './frame'
import { useLinkToken } from './link-token'
import { SessionNotice } from './notice'
import { NewPasswordField } from './password-field'

const shape = z.object({
  first_name: z.string().check(z.maxLength(100, 'At most 100 characters.')),
  last_name: z.string().check(z.maxLength(100, 'At most 100 characters.')),
  password: z.string().check(z.minLength(8, 'Use at least 8 characters.')),
})

/** An invitation leads here. */
export function Component() {
  const token = useLinkToken()
  const form = useForm({
    resolver: zodResolver(shape),
    defaultValues: { first_name: '', last_name: '', password: '' },
  })
  const [first, last, password] = useWatch({
    control: form.control,
    name: ['first_name', 'last_name', 'password'],
  })
  const [error, setError] = useState<unknown>(null)
  const { errors, isSubmitting } = form.formState
  const submit = form.handleSubmit(async (values) => {
    setError(null)
    try {
      await session.join({ token: token ?? '', ...values })
    } catch (refused) {
      setError(placeRefusal(refused, form))
    }
  })
  return (
    <Frame
      title="Join the account"
      lead="Somebody asks you to work with them."
      foot={
        <>
          You have an account of your own? <TextLink to="/login">Sign in</TextLink>
        </>
      }
    >
      {token === null ? (
        <Callout tone="warn" title="This link is not complete">
          Please copy the whole of it.
        </Callout>
      ) : (
        <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
          <SessionNotice />
          <TextField
            label="First name"
            autoComplete="given-name"
            error={errors.first_name?.message}
            {...form.register('first_name')}
          />
          <TextField
            label="Last name"
            autoComplete="family-name"
            error={errors.last_name?.message}
            {...form.register('last_name')}
          />
          <NewPasswordField
            label="Password"
            value={password}
            personal={[first, last]}
            error={errors.password?.message}
            {...form.register('password')}
          />
          <RefusalLine error={error} />
          <Button type="submit" busy={isSubmitting}>
            Join
          </Button>
        </form>
      )}
    </Frame>
  )
}
