import { Button } from './button'

interface Paged {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
}

export function More({ list }: { list: Paged }) {
  if (!list.hasNextPage) return null
  return (
    <div className="mt-4 text-center">
      <Button look="secondary" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
        Show more
      </Button>
    </div>
  )
}
