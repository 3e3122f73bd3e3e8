import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { UserPlus } from 'lucide-react'
import { useState } from 'react'
import { api, data, plain } from '@/shared/api/client'
import type { components } from '@/shared/api/schema'
import { useSession } from '@/shared/auth'
import { Answered } from '@/shared/ui/answered'
import { Button } from '@/shared/ui/button'
import { Confirm } from '@/shared/ui/dialog'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Badge, PageHead, Table, Td, Th } from '@/shared/ui/surface'
import { Invitations } from './invitations'
import { InviteDialog } from './invite-dialog'
import { membersKey as key } from './members-key'

type Member = components['schemas']['Member']

const roles = ['owner', 'admin', 'editor', 'viewer']

export function Component() {
  const list = useQuery({ queryKey: key, queryFn: () => data(api.GET('/api/v1/account/members/')) })
  const [inviting, setInviting] = useState(false)
  const [removing, setRemoving] = useState<Member | null>(null)
  const mayManage = useSession((state) => ['owner', 'admin'].includes(state.user?.role ?? ''))
  return (
    <>
      <PageHead title="Members" lead="Who works with you in this account.">
        {mayManage && (
          <Button
            onClick={() => {
              setInviting(true)
            }}
          >
            <UserPlus size={16} aria-hidden />
            Invite somebody
          </Button>
        )}
      </PageHead>
      <Answered asked={list}>
        {({ items }) => <MemberTable items={items} mayManage={mayManage} onRemove={setRemoving} />}
      </Answered>
      {mayManage && <Invitations />}
      {inviting && (
        <InviteDialog
          onClose={() => {
            setInviting(false)
          }}
        />
      )}
      {removing !== null && (
        <Remove
          member={removing}
          onClose={() => {
            setRemoving(null)
          }}
        />
      )}
    </>
  )
}

const fullName = (member: Member) => `${member.first_name} ${member.last_name}`.trim()

function MemberTable({
  items,
  mayManage,
  onRemove,
}: {
  items: Member[]
  mayManage: boolean
  onRemove: (member: Member) => void
}) {
  const cache = useQueryClient()
  const me = useSession((state) => state.user?.id)
  const change = useMutation({
    mutationFn: ({ id, role }: { id: number; role: string }) =>
      data(api.POST('/api/v1/account/members/{id}/role/', { params: { path: { id } }, body: { role } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: key }),
  })
  return (
    <div className="grid grid-cols-1 gap-3">
      <RefusalLine error={change.error} />
      <Table
        label="Members"
        head={
          <>
            <Th>Person</Th>
            <Th>Role</Th>
            <Th hidden>Remove</Th>
          </>
        }
      >
        {items.map((member) => (
          <tr key={member.id}>
            <Td className="min-w-56">
              <span className="flex flex-wrap items-center gap-2 font-medium text-ink">
                {fullName(member) || member.email}
                {member.id === me && <Badge>You</Badge>}
                {!member.is_active && <Badge tone="bad">Disabled</Badge>}
              </span>
              {fullName(member) !== '' && <span className="text-sm text-ink-3">{member.email}</span>}
            </Td>
            <Td>
              {mayManage && member.id !== me ? (
                <select
                  aria-label={`Role of ${member.email}`}
                  value={member.role}
                  disabled={change.isPending}
                  onChange={(event) => {
                    change.mutate({ id: member.id, role: event.target.value })
                  }}
                  className="min-h-9 rounded-lg border border-line bg-surface px-2 py-1 pr-7 text-sm capitalize hover:border-edge"
                >
                  {roles.map((role) => (
                    <option key={role} value={role}>
                      {role}
                    </option>
                  ))}
                </select>
              ) : (
                <span className="capitalize">{member.role}</span>
              )}
            </Td>
            <Td right>
              {mayManage && member.id !== me && (
                <Button
                  look="quiet"
                  aria-label={`Remove ${member.email}`}
                  onClick={() => {
                    onRemove(member)
                  }}
                >
                  Remove
                </Button>
              )}
            </Td>
          </tr>
        ))}
      </Table>
    </div>
  )
}

function Remove({ member, onClose }: { member: Member; onClose: () => void }) {
  const cache = useQueryClient()
  const remove = useMutation({
    mutationFn: () =>
      plain(api.POST('/api/v1/account/members/{id}/remove/', { params: { path: { id: member.id } } })),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: key })
      onClose()
    },
  })
  return (
    <Confirm
      open
      onClose={onClose}
      title={`Remove ${fullName(member) || member.email}?`}
      lead="They are signed out everywhere, within a second."
      action="Remove"
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => {
        remove.mutate()
      }}
    />
  )
}
