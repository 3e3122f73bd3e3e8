import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, data, newIdempotencyKey } from '@/shared/api/client'
import { Button } from '@/shared/ui/button'
import { CopyText } from '@/shared/ui/copy'
import { Dialog } from '@/shared/ui/dialog'
import { SelectField, TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Callout } from '@/shared/ui/surface'
import { membersKey } from './members-key'

export function InviteDialog({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient()
  const [email, setEmail] = useState('')
  const [role, setRole] = useState('editor')
  const invite = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/v1/account/members/invite/', {
          params: { header: { 'Idempotency-Key': newIdempotencyKey() } },
          body: { email: email.trim(), role },
        }),
      ),
    onSuccess: () => cache.invalidateQueries({ queryKey: membersKey }),
  })
  return (
    <Dialog open onClose={onClose} title={invite.isSuccess ? 'The invitation' : 'Invite somebody'}>
      {invite.isSuccess ? (
        <div className="grid gap-4">
          <Callout tone="warn" title="Send this link now">
            It is shown this once, and works once, for seven days. Whoever has it can join as{' '}
            {invite.data.role}.
          </Callout>
          <CopyText label={invite.data.email} text={linkOf(invite.data.token)} />
          <Button onClick={onClose}>I have it</Button>
        </div>
      ) : (
        <form
          className="grid gap-4"
          onSubmit={(event) => {
            event.preventDefault()
            invite.mutate()
          }}
        >
          <TextField
            label="E-mail address"
            type="email"
            required
            value={email}
            onChange={(event) => {
              setEmail(event.target.value)
            }}
          />
          <SelectField
            label="Role"
            value={role}
            onChange={(event) => {
              setRole(event.target.value)
            }}
          >
            <option value="viewer">Viewer: reads</option>
            <option value="editor">Editor: reads and writes</option>
            <option value="admin">Admin: people, keys and plan, too</option>
          </SelectField>
          <RefusalLine error={invite.error} />
          <Button type="submit" busy={invite.isPending}>
            Make the invitation
          </Button>
        </form>
      )}
    </Dialog>
  )
}

const linkOf = (token: string | null | undefined) => `${window.location.origin}/join#token=${token ?? ''}`
