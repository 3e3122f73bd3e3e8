import { useMutation, useQueryClient } from '@tanstack/react-query'
import { api, plain } from '@/shared/api/client'
import type { ClusterWritten, KeywordWritten } from '@/shared/api/example-app'
import { useNumberedList } from '@/shared/api/queries'

const keywordsKey = ['planner', 'keywords']
const clustersKey = ['planner', 'clusters']

export const useKeywords = () =>
  useNumberedList(keywordsKey, (page) =>
    plain(api.GET('/api/v1/planner/keywords/', { params: { query: { page } } })),
  )

export const useClusters = () =>
  useNumberedList(clustersKey, (page) =>
    plain(api.GET('/api/v1/planner/clusters/', { params: { query: { page } } })),
  )

/** A change of the planner: both lists show it, since a cluster counts its keywords. */
function useChange<Input, Saved>(change: (input: Input) => Promise<Saved>) {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSuccess: () =>
      Promise.all([
        cache.invalidateQueries({ queryKey: keywordsKey }),
        cache.invalidateQueries({ queryKey: clustersKey }),
      ]),
  })
}

export const useAddKeyword = () =>
  useChange((body: KeywordWritten) => plain(api.POST('/api/v1/planner/keywords/', { body })))

export const useMoveKeyword = () =>
  useChange(({ id, cluster }: { id: number; cluster: number | null }) =>
    plain(api.PATCH('/api/v1/planner/keywords/{id}/', { params: { path: { id } }, body: { cluster } })),
  )

export const useDeleteKeyword = () =>
  useChange((id: number) => plain(api.DELETE('/api/v1/planner/keywords/{id}/', { params: { path: { id } } })))

export const useSaveCluster = () =>
  useChange(({ id, ...body }: ClusterWritten & { id: number | null }) =>
    id === null
      ? plain(api.POST('/api/v1/planner/clusters/', { body }))
      : plain(api.PATCH('/api/v1/planner/clusters/{id}/', { params: { path: { id } }, body })),
  )

export const useDeleteCluster = () =>
  useChange((id: number) => plain(api.DELETE('/api/v1/planner/clusters/{id}/', { params: { path: { id } } })))
