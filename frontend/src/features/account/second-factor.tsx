// The second factor of staff: switched on with an authenticator app, switched off with a code of it.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, data, plain } from '@/shared/api/client'
import { day, plural } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { Badge, Card } from '@/shared/ui/surface'
import { say } from '@/shared/ui/toast'
import { CodeForm } from './code-form'
import { Enrol } from './enrol'

const key = ['auth', 'totp']

export default function SecondFactor() {
  const standing = useQuery({ queryKey: key, queryFn: () => data(api.GET('/api/v1/auth/totp/')) })
  const cache = useQueryClient()
  const [open, setOpen] = useState<'on' | 'off' | null>(null)
  const close = () => {
    setOpen(null)
    void cache.invalidateQueries({ queryKey: key })
  }
  const enabled = standing.data?.enabled === true
  return (
    <Card title="Second factor" aside={enabled ? <Badge tone="good">On</Badge> : <Badge>Off</Badge>}>
      <Answered asked={standing} skeleton={<div className="h-16" />}>
        {(found) => (
          <div className="grid gap-4">
            <p className="text-sm text-ink-3">
              {found.enabled
                ? `On since ${found.enabled_at == null ? 'some time' : day(found.enabled_at)}. ${plural(found.recovery_codes_left, 'recovery code')} left.`
                : 'Signing in asks for your password alone. With an authenticator app it asks for a code, too, here and in the admin panel.'}
            </p>
            <Button
              look="secondary"
              className="justify-self-start"
              onClick={() => {
                setOpen(found.enabled ? 'off' : 'on')
              }}
            >
              {found.enabled ? 'Switch it off' : 'Set it up'}
            </Button>
          </div>
        )}
      </Answered>
      {open === 'on' && <Enrol onClose={close} />}
      {open === 'off' && <SwitchOff onClose={close} />}
    </Card>
  )
}

function SwitchOff({ onClose }: { onClose: () => void }) {
  const [code, setCode] = useState('')
  const switchOff = useMutation({
    mutationFn: () => plain(api.DELETE('/api/v1/auth/totp/', { body: { code: code.trim() } })),
    onSuccess: () => {
      say('The second factor is off')
      onClose()
    },
  })
  return (
    <Dialog
      open
      onClose={onClose}
      title="Switch the second factor off?"
      lead="From then on your password alone signs in."
    >
      <CodeForm
        hint="From your authenticator app, or a recovery code."
        code={code}
        onCode={setCode}
        onSubmit={() => {
          switchOff.mutate()
        }}
        error={switchOff.error}
      >
        <Button type="submit" look="danger" busy={switchOff.isPending}>
          Switch it off
        </Button>
      </CodeForm>
    </Dialog>
  )
}
