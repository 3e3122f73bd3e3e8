import { zodResolver } from '@hookform/resolvers/zod'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import * as z from 'zod/mini'
import { api, plain } from '@/shared/api/client'
import type { Site, SiteWritten } from '@/shared/api/example-app'
import { placeRefusal } from '@/shared/lib/form'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { say } from '@/shared/ui/toast'
import { key } from './key'

const shape = z.object({
  name: z
    .string()
    .check(z.trim(), z.minLength(1, 'Give it a name.'), z.maxLength(120, 'At most 120 characters.')),
  domain: z
    .string()
    .check(
      z.trim(),
      z.regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i, 'Enter a domain, like blog.example.com.'),
      z.maxLength(253, 'At most 253 characters.'),
    ),
})

export default function SiteDialog({ site, onClose }: { site: Site | null; onClose: () => void }) {
  const form = useForm({
    resolver: zodResolver(shape),
    defaultValues: { name: site?.name ?? '', domain: site?.domain ?? '' },
  })
  const [error, setError] = useState<unknown>(null)
  const cache = useQueryClient()
  const save = useMutation({
    mutationFn: (body: SiteWritten) =>
      site
        ? plain(api.PATCH('/api/v1/sites/{id}/', { params: { path: { id: site.id } }, body }))
        : plain(api.POST('/api/v1/sites/', { body })),
    onSuccess: async (saved) => {
      await cache.invalidateQueries({ queryKey: key })
      say(site ? 'The site has been changed' : `${saved.name} has been added`)
      onClose()
    },
    onError: (refused) => {
      setError(placeRefusal(refused, form))
    },
  })
  const submit = form.handleSubmit((values) => {
    setError(null)
    save.mutate(values)
  })
  const { errors } = form.formState
  return (
    <Dialog open onClose={onClose} title={site ? 'Change the site' : 'Add a site'}>
      <form noValidate onSubmit={(event) => void submit(event)} className="grid gap-4">
        <TextField
          label="Name"
          placeholder="Field notes"
          error={errors.name?.message}
          {...form.register('name')}
        />
        <TextField
          label="Domain"
          placeholder="notes.example.com"
          inputMode="url"
          autoCapitalize="off"
          error={errors.domain?.message}
          {...form.register('domain')}
        />
        <RefusalLine error={error} />
        <Button type="submit" busy={save.isPending}>
          {site ? 'Save' : 'Add the site'}
        </Button>
      </form>
    </Dialog>
  )
}
