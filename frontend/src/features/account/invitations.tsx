import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api, data, plain } from '@/shared/api/client'
import { day } from '@/shared/lib/format'
import { Button } from '@/shared/ui/button'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Table, Td, Th } from '@/shared/ui/surface'
import { membersKey } from './members-key'

const key = [...membersKey, 'invitations']

/** Who has been asked to join and has not come yet. */
export function Invitations() {
  const cache = useQueryClient()
  const list = useQuery({
    queryKey: key,
    queryFn: () => data(api.GET('/api/v1/account/members/invitations/')),
  })
  const revoke = useMutation({
    mutationFn: (id: number) =>
      plain(api.POST('/api/v1/account/members/invitations/{id}/revoke/', { params: { path: { id } } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: key }),
  })
  const items = list.data?.items ?? []
  if (items.length === 0) return null
  return (
    <section className="mt-8 grid grid-cols-1 gap-3">
      <h2 className="text-base font-semibold text-ink">Invited</h2>
      <RefusalLine error={revoke.error} />
      <Table
        label="Invitations"
        head={
          <>
            <Th>Person</Th>
            <Th>Role</Th>
            <Th>Works until</Th>
            <Th hidden>Take back</Th>
          </>
        }
      >
        {items.map((invitation) => (
          <tr key={invitation.id}>
            <Td className="min-w-56 font-medium text-ink">{invitation.email}</Td>
            <Td className="capitalize">{invitation.role}</Td>
            <Td className="whitespace-nowrap">{day(invitation.expires_at)}</Td>
            <Td right>
              <Button
                look="quiet"
                aria-label={`Take back the invitation of ${invitation.email}`}
                disabled={revoke.isPending}
                onClick={() => {
                  revoke.mutate(invitation.id)
                }}
              >
                Take back
              </Button>
            </Td>
          </tr>
        ))}
      </Table>
    </section>
  )
}
