import { ServerCrash } from 'lucide-react'
import { useRouteError } from 'react-router'
import { Button } from '@/shared/ui/button'
import { Empty } from '@/shared/ui/surface'

/** A page that failed while it was drawn, or whose file could not be fetched. */
export function Broken() {
  const error = useRouteError()
  const fetched = error instanceof TypeError && /import|fetch|module/i.test(error.message)
  return (
    <main className="mx-auto max-w-xl px-4 py-16" role="alert">
      <h1 className="sr-only">Something went wrong</h1>
      <Empty
        icon={<ServerCrash size={22} />}
        title={fetched ? 'This page could not be loaded' : 'This page has a fault'}
        action={
          <Button
            onClick={() => {
              window.location.reload()
            }}
          >
            Load it again
          </Button>
        }
      >
        {fetched
          ? 'You may be offline, or there is a newer version.'
          : 'That is our fault, not yours. What you saved is safe.'}
      </Empty>
    </main>
  )
}
