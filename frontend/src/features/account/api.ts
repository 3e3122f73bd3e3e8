import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api, data, newIdempotencyKey, visitor } from '@/shared/api/client'
import { keys, useCursorList } from '@/shared/api/queries'
import type { components } from '@/shared/api/schema'

export type Payment = components['schemas']['Payment']
export type Plan = components['schemas']['Plan']
export type LedgerEntry = components['schemas']['LedgerEntry']
export type UsedOn = components['schemas']['UsedOn']

export const useSubscription = () =>
  useQuery({ queryKey: keys.subscription, queryFn: () => data(api.GET('/api/v1/account/subscription/')) })

export const usePlans = () =>
  useQuery({ queryKey: ['plans'], queryFn: () => data(visitor.GET('/api/v1/plans/')) })

export const usePayments = (everyMs: number | false = false) =>
  useQuery({
    queryKey: keys.payments,
    queryFn: () => data(api.GET('/api/v1/account/payments/', { params: { query: { limit: 20 } } })),
    refetchInterval: everyMs,
    refetchIntervalInBackground: false,
  })

export const useUsage = () =>
  useQuery({ queryKey: keys.usage, queryFn: () => data(api.GET('/api/v1/credits/usage/')) })

export const useLedger = () =>
  useCursorList(keys.ledger, (cursor) =>
    data(
      api.GET('/api/v1/credits/transactions/', {
        params: { query: { limit: 20, ...(cursor === undefined ? {} : { cursor }) } },
      }),
    ),
  )

export const useReceipts = () =>
  useCursorList(['account', 'receipts'], (cursor) =>
    data(
      api.GET('/api/v1/account/receipts/', {
        params: { query: { ...(cursor === undefined ? {} : { cursor }) } },
      }),
    ),
  )

export const useReceipt = (number: number) =>
  useQuery({
    queryKey: ['account', 'receipts', number],
    queryFn: () => data(api.GET('/api/v1/account/receipts/{number}/', { params: { path: { number } } })),
  })

/** Asks for a plan: nothing changes until its payment is confirmed. Asked again it is the same request. */
export function useUpgrade() {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (plan: string) =>
      data(
        api.POST('/api/v1/account/upgrade/', {
          params: { header: { 'Idempotency-Key': newIdempotencyKey() } },
          body: { plan_slug: plan, payment_method: 'bank_transfer' },
        }),
      ),
    onSuccess: () => cache.invalidateQueries({ queryKey: keys.account }),
  })
}

export function useRenameAccount() {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (name: string) => data(api.PATCH('/api/v1/account/', { body: { name } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: keys.account }),
  })
}

/** Ends the subscription with its period, or takes that back. */
export function useCancelOrResume(way: 'cancel' | 'resume') {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: () => {
      const params = { header: { 'Idempotency-Key': newIdempotencyKey() } }
      return way === 'cancel'
        ? data(api.POST('/api/v1/account/cancel/', { params }))
        : data(api.POST('/api/v1/account/resume/', { params }))
    },
    onSuccess: () => cache.invalidateQueries({ queryKey: keys.account }),
  })
}
