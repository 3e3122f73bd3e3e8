import { useMutation, useQueryClient } from '@tanstack/react-query'
import { KeyRound, Plus } from 'lucide-react'
import { useState } from 'react'
import { api, data, newIdempotencyKey, plain } from '@/shared/api/client'
import { useCursorList } from '@/shared/api/queries'
import type { components } from '@/shared/api/schema'
import { ago, day } from '@/shared/lib/format'
import { useNow } from '@/shared/lib/now'
import { Answered } from '@/shared/ui/answered'
import { Button } from '@/shared/ui/button'
import { CopyText } from '@/shared/ui/copy'
import { Confirm, Dialog } from '@/shared/ui/dialog'
import { SelectField, TextField } from '@/shared/ui/field'
import { More } from '@/shared/ui/more'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Badge, Callout, Empty, PageHead, Table, Td, Th } from '@/shared/ui/surface'

type ApiKey = components['schemas']['ApiKey']
type IssuedKey = components['schemas']['IssuedKey']

const key = ['account', 'api-keys']

type Asking = { what: 'create' } | { what: 'rotate' | 'revoke'; apiKey: ApiKey }

export function Component() {
  const list = useCursorList(key, (cursor) =>
    data(api.GET('/api/v1/account/api-keys/', { params: { query: cursor === undefined ? {} : { cursor } } })),
  )
  const [asking, setAsking] = useState<Asking | null>(null)
  const close = () => {
    setAsking(null)
  }
  const create = (
    <Button
      onClick={() => {
        setAsking({ what: 'create' })
      }}
    >
      <Plus size={16} aria-hidden />
      Create a key
    </Button>
  )
  return (
    <>
      <PageHead title="API keys" lead="For programs that work for you. A key can do what its role can.">
        {(list.data?.length ?? 0) > 0 && create}
      </PageHead>
      <Answered asked={list}>
        {(items) =>
          items.length === 0 ? (
            <Empty icon={<KeyRound size={22} />} title="No keys yet" action={create}>
              A key is shown once, when it is made. Afterwards nobody can read it, not even we.
            </Empty>
          ) : (
            <KeyTable items={items} onAsk={setAsking} />
          )
        }
      </Answered>
      <More list={list} />
      {asking?.what === 'create' && <CreateKey onClose={close} />}
      {asking?.what === 'rotate' && <RotateKey apiKey={asking.apiKey} onClose={close} />}
      {asking?.what === 'revoke' && <RevokeKey apiKey={asking.apiKey} onClose={close} />}
    </>
  )
}

function KeyTable({ items, onAsk }: { items: ApiKey[]; onAsk: (asking: Asking) => void }) {
  const now = useNow()
  return (
    <Table
      label="API keys"
      head={
        <>
          <Th>Name</Th>
          <Th>Begins with</Th>
          <Th>Role</Th>
          <Th>Last used</Th>
          <Th>Ends</Th>
          <Th hidden>Actions</Th>
        </>
      }
    >
      {items.map((each) => (
        <tr key={each.id}>
          <Td className="min-w-36 font-medium text-ink">{each.name}</Td>
          <Td>
            <code className="font-mono text-sm text-ink-2">{each.prefix}…</code>
          </Td>
          <Td className="capitalize">{each.role}</Td>
          <Td className="whitespace-nowrap text-ink-3">
            {each.last_used_at ? ago(each.last_used_at, now) : 'Never'}
          </Td>
          <Td className="whitespace-nowrap">
            <Ends apiKey={each} />
          </Td>
          <Td right>
            {each.status === 'active' && (
              <span className="inline-flex gap-1">
                <Button
                  look="quiet"
                  aria-label={`Rotate ${each.name}`}
                  onClick={() => {
                    onAsk({ what: 'rotate', apiKey: each })
                  }}
                >
                  Rotate
                </Button>
                <Button
                  look="quiet"
                  aria-label={`Revoke ${each.name}`}
                  onClick={() => {
                    onAsk({ what: 'revoke', apiKey: each })
                  }}
                >
                  Revoke
                </Button>
              </span>
            )}
          </Td>
        </tr>
      ))}
    </Table>
  )
}

function Ends({ apiKey }: { apiKey: ApiKey }) {
  if (apiKey.status === 'revoked') return <Badge tone="bad">Revoked</Badge>
  if (apiKey.status === 'expired') return <Badge>Expired</Badge>
  if (apiKey.status === 'replaced') {
    return <Badge tone="warn">Replaced{apiKey.expires_at && `, works until ${day(apiKey.expires_at)}`}</Badge>
  }
  return apiKey.expires_at ? day(apiKey.expires_at) : 'Never'
}

/** The moment in so many days, as the server reads it. */
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()

function CreateKey({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient()
  const [name, setName] = useState('')
  const [role, setRole] = useState('editor')
  const [days, setDays] = useState('')
  const [once] = useState(newIdempotencyKey)
  const create = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/v1/account/api-keys/', {
          params: { header: { 'Idempotency-Key': once } },
          body: { name: name.trim(), role, ...(days === '' ? {} : { expires_at: inDays(Number(days)) }) },
        }),
      ),
    onSuccess: () => cache.invalidateQueries({ queryKey: key }),
  })
  return (
    <Dialog open onClose={onClose} title={create.isSuccess ? 'Your new key' : 'Create a key'}>
      {create.isSuccess ? (
        <ShowKey apiKey={create.data} onClose={onClose} />
      ) : (
        <form
          className="grid gap-4"
          onSubmit={(event) => {
            event.preventDefault()
            create.mutate()
          }}
        >
          <TextField
            label="Name"
            placeholder="What it is for"
            required
            maxLength={100}
            value={name}
            onChange={(event) => {
              setName(event.target.value)
            }}
          />
          <SelectField
            label="Role"
            value={role}
            onChange={(event) => {
              setRole(event.target.value)
            }}
            hint="Give it no more than it needs."
          >
            <option value="viewer">Viewer: reads</option>
            <option value="editor">Editor: reads and writes</option>
            <option value="admin">Admin: everything but the plan</option>
          </SelectField>
          <SelectField
            label="Ends"
            value={days}
            onChange={(event) => {
              setDays(event.target.value)
            }}
          >
            <option value="">Never</option>
            <option value="30">After 30 days</option>
            <option value="90">After 90 days</option>
            <option value="365">After a year</option>
          </SelectField>
          <RefusalLine error={create.error} />
          <Button type="submit" busy={create.isPending}>
            Create the key
          </Button>
        </form>
      )}
    </Dialog>
  )
}

function ShowKey({ apiKey, onClose }: { apiKey: IssuedKey; onClose: () => void }) {
  return (
    <div className="grid gap-4">
      <Callout tone="warn" title="Copy it now">
        It is shown this once. If it gets lost, rotate it.
      </Callout>
      <CopyText label={apiKey.name} text={apiKey.key ?? ''} />
      <Button onClick={onClose}>I have it</Button>
    </div>
  )
}

function RotateKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const cache = useQueryClient()
  const [once] = useState(newIdempotencyKey)
  const rotate = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/v1/account/api-keys/{id}/rotate/', {
          params: { path: { id: apiKey.id }, header: { 'Idempotency-Key': once } },
          body: {},
        }),
      ),
    onSuccess: () => cache.invalidateQueries({ queryKey: key }),
  })
  return (
    <Dialog
      open
      onClose={onClose}
      title={rotate.isSuccess ? 'The new key' : `Rotate ${apiKey.name}?`}
      {...(rotate.isSuccess
        ? {}
        : { lead: 'You get a new key; the old one works on for a day, so that nothing breaks.' })}
    >
      {rotate.isSuccess ? (
        <ShowKey apiKey={rotate.data} onClose={onClose} />
      ) : (
        <div className="grid gap-4">
          <RefusalLine error={rotate.error} />
          <Button
            busy={rotate.isPending}
            onClick={() => {
              rotate.mutate()
            }}
          >
            Make a new key
          </Button>
        </div>
      )}
    </Dialog>
  )
}

function RevokeKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const cache = useQueryClient()
  const revoke = useMutation({
    mutationFn: () =>
      plain(api.POST('/api/v1/account/api-keys/{id}/revoke/', { params: { path: { id: apiKey.id } } })),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: key })
      onClose()
    },
  })
  return (
    <Confirm
      open
      onClose={onClose}
      title={`Revoke ${apiKey.name}?`}
      lead="Programs that use it are refused within a second. This cannot be taken back."
      action="Revoke the key"
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() => {
        revoke.mutate()
      }}
    />
  )
}
