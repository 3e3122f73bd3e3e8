import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api, data, newIdempotencyKey, plain } from '@/shared/api/client'
import type { Draft, DraftWritten } from '@/shared/api/example-app'
import { keys, useNumberedList } from '@/shared/api/queries'

const draftsKey = ['writer', 'drafts']
const WORDS_PER_CREDIT = 100

/** What a draft of so many words costs: one credit for each hundred begun, and never none. The app computes the same. */
export const creditCost = (words: number) => Math.max(1, Math.ceil(words / WORDS_PER_CREDIT))

/** A draft waits in the queue until there is text in it. */
export const isQueued = (draft: Draft) => draft.body.trim() === ''

export const wordsIn = (text: string) => text.split(/\s+/).filter((word) => word !== '').length

export const useDrafts = () =>
  useNumberedList(draftsKey, (page) =>
    plain(api.GET('/api/v1/writer/drafts/', { params: { query: { page } } })),
  )

export const useDraft = (id: number) =>
  useQuery({
    queryKey: [...draftsKey, id],
    queryFn: () => plain(api.GET('/api/v1/writer/drafts/{id}/', { params: { path: { id } } })),
  })

/**
 * Orders a draft. Its credits are set aside first; they are drawn once the draft is there, and let go of if it cannot be
 * made. So nobody pays for nothing, and nobody orders what they cannot pay.
 */
export async function orderDraft(order: Pick<DraftWritten, 'title' | 'words'>): Promise<Draft> {
  const hold = await data(
    api.POST('/api/v1/credits/holds/', {
      params: { header: { 'Idempotency-Key': newIdempotencyKey() } },
      body: { amount: creditCost(order.words), description: `Draft: ${order.title}` },
    }),
  )
  const settled = () => ({
    path: { id: hold.id },
    header: { 'Idempotency-Key': newIdempotencyKey() },
  })
  let draft: Draft
  try {
    draft = await plain(api.POST('/api/v1/writer/drafts/', { body: { ...order, body: '' } }))
  } catch (refused) {
    // If this does not get through either, the hold ends by itself.
    await api
      .POST('/api/v1/credits/holds/{id}/release/', { params: settled(), body: {} })
      .catch(() => undefined)
    throw refused
  }
  const once = settled()
  const confirm = () => data(api.POST('/api/v1/credits/holds/{id}/confirm/', { params: once, body: {} }))
  await confirm().catch(confirm)
  return draft
}

export function useOrderDraft() {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: orderDraft,
    onSettled: () =>
      Promise.all([
        cache.invalidateQueries({ queryKey: draftsKey }),
        cache.invalidateQueries({ queryKey: keys.credits }),
      ]),
  })
}

export function useSaveDraft(id: number) {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (body: Pick<DraftWritten, 'title' | 'body'>) =>
      plain(api.PATCH('/api/v1/writer/drafts/{id}/', { params: { path: { id } }, body })),
    onSuccess: (saved) => {
      cache.setQueryData([...draftsKey, id], saved)
      return cache.invalidateQueries({ queryKey: draftsKey, exact: true })
    },
  })
}

export function useDeleteDraft() {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (id: number) =>
      plain(api.DELETE('/api/v1/writer/drafts/{id}/', { params: { path: { id } } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: draftsKey, exact: true }),
  })
}
