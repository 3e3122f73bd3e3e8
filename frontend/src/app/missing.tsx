import { SearchX } from 'lucide-react'
import { useTitle } from '@/shared/lib/title'
import { ButtonLink } from '@/shared/ui/button'
import { Empty } from '@/shared/ui/surface'

export function Missing() {
  useTitle('Not found')
  return (
    <>
      <h1 className="sr-only">Not found</h1>
      <Empty
        icon={<SearchX size={22} />}
        title="There is no such page"
        action={<ButtonLink to="/sites">To your sites</ButtonLink>}
      >
        The address may have a slip in it.
      </Empty>
    </>
  )
}
