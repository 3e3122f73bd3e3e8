import { zodResolver } from '@hookform/resolvers/zod'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useForm, useWatch } from 'react-hook-form'
import * as z from 'zod/mini'
import { data, visitor } from '@/shared/api/client'
import { session } from '@/shared/auth'
import { placeRefusal } from '@/shared/lib/form'
import { count } from '@/shared/lib/format'
import { Button } from '@/shared/ui/button'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Frame, TextLink } from './frame'
import { SessionNotice } from './notice'
import { NewPasswordField } from './password-field'

const shape = z.object({
  email: z.string().check(z.email('Enter an e-mail address, like ada@example.com.')),
  password: z.string().check(z.minLength(8, 'Use at least 8 characters.')),
  account_name: z.string(),
})

export function Component() {
  const form = useForm({
    resolver: zodResolver(shape),
    defaultValues: { email: '', password: '', account_name: '' },
  })
  const [error, setError] = useState<unknown>(null)
  const { errors, isSubmitting } = form.formState
  const [email, password, name] = useWatch({
    control: form.control,
    name: ['email', 'password', 'account_name'],
  })

  const submit = form.handleSubmit(async (values) => {
    setError(null)
    const { account_name, ...rest } = values
    try {
      await session.register({ ...rest, ...(account_name.trim() ? { account_name } : {}) })
    } catch (refused) {
      setError(placeRefusal(refused, form))
    }
  })

  return (
    <Frame
      title="Create your account"
      lead={<TrialPlan />}
      foot={
        <>
          You have one already? <TextLink to="/login">Sign in</TextLink>
        </>
      }
    >
      <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
        <SessionNotice />
        <TextField
          label="E-mail address"
          type="email"
          autoComplete="email"
          error={errors.email?.message}
          {...form.register('email')}
        />
        <NewPasswordField
          label="Password"
          value={password}
          personal={[email, name]}
          error={errors.password?.message}
          {...form.register('password')}
        />
        <TextField
          label="Name of the account"
          autoComplete="organization"
          placeholder="Optional, for example your company"
          error={errors.account_name?.message}
          {...form.register('account_name')}
        />
        <RefusalLine error={error} />
        <Button type="submit" busy={isSubmitting} className="w-full">
          Start the free trial
        </Button>
        <p className="text-center text-sm text-ink-3">No card needed. It ends by itself.</p>
      </form>
    </Frame>
  )
}

/** Which plan one gets, from the catalogue. */
function TrialPlan() {
  const plans = useQuery({ queryKey: ['plans'], queryFn: () => data(visitor.GET('/api/v1/plans/')) })
  const plan =
    plans.data?.items.find((each) => each.slug === 'free-trial') ??
    plans.data?.items.find((each) => each.slug === 'free')
  if (!plan) return <p>It takes a minute.</p>
  return (
    <p>
      On the plan <strong className="font-semibold text-ink">{plan.name}</strong>:{' '}
      {count(plan.effective_credits)} credits
      {plan.slug === 'free-trial' && ` for ${String(plan.trial_days)} days`}, at no cost.
    </p>
  )
}
