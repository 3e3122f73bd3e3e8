// How answers are kept: one cache for the tab, emptied whenever a person leaves.
import { QueryClient, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { session, useSession } from '@/shared/auth'
import { api, data } from './client'
import type { Listed } from './example-app'
import { asRefusal } from './refusal'

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Offline is a refusal like others, with a state of its own, not an endless wait.
        networkMode: 'always',
        staleTime: 1_000,
        retry: (failures, error) => {
          const refusal = asRefusal(error)
          return failures < 1 && refusal.isPassing && refusal.status !== 429
        },
        retryDelay: 400,
      },
      mutations: { networkMode: 'always' },
    },
  })
}

export const queryClient = makeQueryClient()
session.onForget(() => {
  queryClient.clear()
})

/** The keys of answers that several features show or change. */
export const keys = {
  credits: ['credits'] as const,
  account: ['account'] as const,
  subscription: ['account', 'subscription'] as const,
  ledger: ['credits', 'ledger'] as const,
  usage: ['credits', 'usage'] as const,
  payments: ['account', 'payments'] as const,
}

function useSignedIn(): boolean {
  return useSession((state) => state.status === 'signed-in')
}

export function useCredits() {
  return useQuery({
    queryKey: keys.credits,
    queryFn: () => data(api.GET('/api/v1/credits/')),
    enabled: useSignedIn(),
  })
}

export function useAccount() {
  return useQuery({
    queryKey: keys.account,
    queryFn: () => data(api.GET('/api/v1/account/')),
    enabled: useSignedIn(),
  })
}

/** A list of the core, page after page by its cursor. */
export function useCursorList<T>(
  queryKey: readonly unknown[],
  page: (cursor: string | undefined) => Promise<{ items: T[]; next?: string | null }>,
) {
  return useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => page(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    select: (found) => found.pages.flatMap((each) => each.items),
  })
}

/** A list of the app, page after page by number. */
export function useNumberedList<T>(
  queryKey: readonly unknown[],
  page: (number: number) => Promise<Listed<T>>,
) {
  return useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => page(pageParam),
    initialPageParam: 1,
    getNextPageParam: (last, _, number) => (last.next === null ? undefined : number + 1),
    select: (found) => ({
      rows: found.pages.flatMap((each) => each.results),
      count: found.pages[0]?.count ?? 0,
    }),
  })
}
