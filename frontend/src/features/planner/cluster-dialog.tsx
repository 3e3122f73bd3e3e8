import { zodResolver } from '@hookform/resolvers/zod'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import * as z from 'zod/mini'
import type { Cluster } from '@/shared/api/example-app'
import { placeRefusal } from '@/shared/lib/form'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { say } from '@/shared/ui/toast'
import { useSaveCluster } from './api'

const shape = z.object({
  name: z
    .string()
    .check(z.trim(), z.minLength(1, 'Give it a name.'), z.maxLength(120, 'At most 120 characters.')),
})

export default function ClusterDialog({
  cluster,
  onClose,
}: {
  cluster: Cluster | null
  onClose: () => void
}) {
  const form = useForm({ resolver: zodResolver(shape), defaultValues: { name: cluster?.name ?? '' } })
  const [error, setError] = useState<unknown>(null)
  const save = useSaveCluster()
  const submit = form.handleSubmit((values) => {
    setError(null)
    save.mutate(
      { id: cluster?.id ?? null, ...values },
      {
        onSuccess: (saved) => {
          say(cluster ? 'The cluster has been renamed' : `${saved.name} has been added`)
          onClose()
        },
        onError: (refused) => {
          setError(placeRefusal(refused, form))
        },
      },
    )
  })
  return (
    <Dialog open onClose={onClose} title={cluster ? 'Rename the cluster' : 'Add a cluster'}>
      <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
        <TextField
          label="Name"
          placeholder="Growing tomatoes"
          error={form.formState.errors.name?.message}
          {...form.register('name')}
        />
        <RefusalLine error={error} />
        <Button type="submit" busy={save.isPending}>
          {cluster ? 'Save' : 'Add the cluster'}
        </Button>
      </form>
    </Dialog>
  )
}
