import { zodResolver } from '@hookform/resolvers/zod'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import * as z from 'zod/mini'
import type { Cluster } from '@/shared/api/example-app'
import { placeRefusal } from '@/shared/lib/form'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { SelectField, TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { say } from '@/shared/ui/toast'
import { useAddKeyword } from './api'

const shape = z.object({
  term: z
    .string()
    .check(
      z.trim(),
      z.minLength(1, 'What do people search for?'),
      z.maxLength(200, 'At most 200 characters.'),
    ),
  volume: z
    .number('Enter a whole number.')
    .check(
      z.int('Enter a whole number.'),
      z.gte(0, 'Not less than 0.'),
      z.lte(2_147_483_647, 'That is too many.'),
    ),
  difficulty: z
    .number('Enter 0 to 100.')
    .check(z.int('Enter a whole number.'), z.gte(0, 'Enter 0 to 100.'), z.lte(100, 'Enter 0 to 100.')),
  cluster: z.string(),
})

export default function KeywordDialog({
  clusters,
  cluster,
  onClose,
}: {
  clusters: Cluster[]
  cluster: number | null
  onClose: () => void
}) {
  const form = useForm({
    resolver: zodResolver(shape),
    defaultValues: { term: '', volume: 0, difficulty: 0, cluster: cluster === null ? '' : String(cluster) },
  })
  const [error, setError] = useState<unknown>(null)
  const add = useAddKeyword()
  const { errors } = form.formState
  const submit = form.handleSubmit((values) => {
    setError(null)
    add.mutate(
      { ...values, cluster: Number(values.cluster) || null },
      {
        onSuccess: (saved) => {
          say(`${saved.term} has been added`)
          onClose()
        },
        onError: (refused) => {
          setError(placeRefusal(refused, form))
        },
      },
    )
  })
  return (
    <Dialog open onClose={onClose} title="Add a keyword">
      <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
        <TextField
          label="Keyword"
          placeholder="how to mulch tomatoes"
          error={errors.term?.message}
          {...form.register('term')}
        />
        <div className="grid grid-cols-2 gap-4">
          <TextField
            label="Searches a month"
            type="number"
            min={0}
            error={errors.volume?.message}
            {...form.register('volume', { valueAsNumber: true })}
          />
          <TextField
            label="Difficulty, %"
            type="number"
            min={0}
            max={100}
            error={errors.difficulty?.message}
            {...form.register('difficulty', { valueAsNumber: true })}
          />
        </div>
        <SelectField label="Cluster" error={errors.cluster?.message} {...form.register('cluster')}>
          <option value="">None yet</option>
          {clusters.map((each) => (
            <option key={each.id} value={each.id}>
              {each.name}
            </option>
          ))}
        </SelectField>
        <RefusalLine error={error} />
        <Button type="submit" busy={add.isPending}>
          Add the keyword
        </Button>
      </form>
    </Dialog>
  )
}
