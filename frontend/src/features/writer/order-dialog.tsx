import { zodResolver } from '@hookform/resolvers/zod'
import { useState } from 'react'
import { useForm, useWatch } from 'react-hook-form'
import { useNavigate } from 'react-router'
import * as z from 'zod/mini'
import { useCredits } from '@/shared/api/queries'
import { placeRefusal } from '@/shared/lib/form'
import { count, plural } from '@/shared/lib/format'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { say } from '@/shared/ui/toast'
import { creditCost, useOrderDraft } from './api'

const shape = z.object({
  title: z
    .string()
    .check(z.trim(), z.minLength(1, 'What is it about?'), z.maxLength(200, 'At most 200 characters.')),
  words: z
    .number('Enter a whole number.')
    .check(
      z.int('Enter a whole number.'),
      z.gte(1, 'At least one word.'),
      z.lte(20_000, 'At most 20,000 words.'),
    ),
})

export default function OrderDialog({ title, onClose }: { title: string; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(shape), defaultValues: { title, words: 800 } })
  const words = useWatch({ control: form.control, name: 'words' })
  const [error, setError] = useState<unknown>(null)
  const order = useOrderDraft()
  const navigate = useNavigate()
  const { errors } = form.formState
  const submit = form.handleSubmit((values) => {
    setError(null)
    order.mutate(values, {
      onSuccess: (draft) => {
        say(`Ordered for ${plural(draft.credit_cost, 'credit')}: it is in your queue`)
        onClose()
        void navigate('/writer/queue')
      },
      onError: (refused) => {
        setError(placeRefusal(refused, form))
      },
    })
  })
  return (
    <Dialog open onClose={onClose} title="Order a draft" lead="One credit for each hundred words begun.">
      <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
        <TextField
          label="Title"
          placeholder="When to mulch tomatoes"
          error={errors.title?.message}
          {...form.register('title')}
        />
        <TextField
          label="Length in words"
          type="number"
          min={1}
          max={20_000}
          step={100}
          error={errors.words?.message}
          {...form.register('words', { valueAsNumber: true })}
        />
        <Price words={words} />
        <RefusalLine error={error} />
        <Button type="submit" busy={order.isPending}>
          Order the draft
        </Button>
      </form>
    </Dialog>
  )
}

function Price({ words }: { words: number }) {
  const credits = useCredits()
  if (!Number.isFinite(words) || words < 1) return null
  const cost = creditCost(words)
  const available = credits.data?.available
  return (
    <p className="flex justify-between rounded-lg bg-sunken px-4 py-3 text-sm" aria-live="polite">
      <span>
        Costs <strong className="font-semibold">{plural(cost, 'credit')}</strong>
      </span>
      {available !== undefined && (
        <span className={available < cost ? 'font-medium text-bad' : 'text-ink-3'}>
          You have <span className="tabular">{count(available)}</span>
        </span>
      )}
    </p>
  )
}
