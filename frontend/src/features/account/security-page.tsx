import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { MonitorSmartphone } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { api, data, plain } from '@/shared/api/client'
import type { components } from '@/shared/api/schema'
import { session, useSession } from '@/shared/auth'
import { asRefusal } from '@/shared/api/refusal'
import { ago } from '@/shared/lib/format'
import { useNow } from '@/shared/lib/now'
import { Answered } from '@/shared/ui/answered'
import { Button } from '@/shared/ui/button'
import { Confirm } from '@/shared/ui/dialog'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Badge, Card, PageHead, Skeleton } from '@/shared/ui/surface'
import { say } from '@/shared/ui/toast'
import { Address } from './address'

type SignIn = components['schemas']['Session']

const key = ['auth', 'sessions']

// Staff alone have a second factor: nobody else loads what it takes.
const SecondFactor = lazy(() => import('./second-factor'))

export function Component() {
  const isStaff = useSession((state) => state.user?.platform_role != null)
  return (
    <>
      <PageHead title="Security" lead="Where you are signed in, your address and your password." />
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <div className="grid gap-5">
          <SignIns />
          <Address />
        </div>
        <div className="grid gap-5">
          <ChangePassword />
          {isStaff && (
            <Suspense fallback={<Skeleton rows={1} />}>
              <SecondFactor />
            </Suspense>
          )}
        </div>
      </div>
    </>
  )
}

function SignIns() {
  const list = useQuery({ queryKey: key, queryFn: () => data(api.GET('/api/v1/auth/sessions/')) })
  const [asking, setAsking] = useState(false)
  const endAll = useMutation({
    mutationFn: () => plain(api.DELETE('/api/v1/auth/sessions/')),
    // This one has ended, too.
    onSuccess: () => session.logout(),
  })
  return (
    <Card
      title="Sign-ins"
      aside={
        <Button
          look="quiet"
          className="-my-2 -mr-4"
          onClick={() => {
            setAsking(true)
          }}
        >
          End all of them
        </Button>
      }
    >
      <Answered asked={list}>
        {({ items }) => (
          <ul className="divide-y divide-line">
            {items.map((each) => (
              <SignInRow key={each.id} signIn={each} />
            ))}
          </ul>
        )}
      </Answered>
      {asking && (
        <Confirm
          open
          onClose={() => {
            setAsking(false)
          }}
          title="End every sign-in?"
          lead="You are signed out everywhere, here too."
          action="End all of them"
          busy={endAll.isPending}
          error={endAll.error}
          onConfirm={() => {
            endAll.mutate()
          }}
        />
      )}
    </Card>
  )
}

function SignInRow({ signIn }: { signIn: SignIn }) {
  const now = useNow()
  const cache = useQueryClient()
  const end = useMutation({
    mutationFn: () =>
      plain(api.DELETE('/api/v1/auth/sessions/{id}/', { params: { path: { id: signIn.id } } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: key }),
  })
  const name = deviceOf(signIn.user_agent)
  return (
    <li className="grid gap-2 py-3">
      <div className="flex items-center gap-4">
        <MonitorSmartphone size={20} aria-hidden className="shrink-0 text-ink-3" />
        <div className="min-w-0 flex-1">
          <p className="flex flex-wrap items-center gap-2 font-medium text-ink">
            {name}
            {signIn.current && <Badge tone="good">This one</Badge>}
          </p>
          <p className="text-sm text-ink-3">
            {signIn.address !== '' && `${signIn.address} · `}
            used {ago(signIn.last_used_at, now)}
          </p>
        </div>
        {!signIn.current && (
          <Button
            look="secondary"
            aria-label={`End the sign-in with ${name}`}
            busy={end.isPending}
            onClick={() => {
              end.mutate()
            }}
          >
            End
          </Button>
        )}
      </div>
      <RefusalLine error={end.error} />
    </li>
  )
}

/** A browser and a system, as far as they can be told. */
export function deviceOf(userAgent: string): string {
  if (userAgent === '') return 'Unknown device'
  const find = (pairs: [RegExp, string][]) => pairs.find(([pattern]) => pattern.test(userAgent))?.[1]
  const browser = find([
    [/Edg\//, 'Edge'],
    [/OPR\//, 'Opera'],
    [/Firefox\//, 'Firefox'],
    [/Chrom(e|ium)\//, 'Chrome'],
    [/Safari\//, 'Safari'],
    [/^curl\//, 'curl'],
  ])
  const system = find([
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Windows/, 'Windows'],
    [/Mac OS X/, 'macOS'],
    [/Linux/, 'Linux'],
  ])
  return [browser ?? 'Some program', system].filter(Boolean).join(' on ')
}

function ChangePassword() {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const change = useMutation({
    mutationFn: () => session.changePassword({ current_password: current, new_password: next }),
    onSuccess: () => {
      setCurrent('')
      setNext('')
      say('Your password has been changed')
    },
  })
  const fields = change.error ? asRefusal(change.error).fields : {}
  return (
    <Card title="Password">
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          change.mutate()
        }}
      >
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          required
          value={current}
          error={fields.current_password}
          onChange={(event) => {
            setCurrent(event.target.value)
          }}
        />
        <TextField
          label="New password"
          type="password"
          autoComplete="new-password"
          required
          minLength={8}
          value={next}
          error={fields.new_password}
          hint="Every other sign-in ends."
          onChange={(event) => {
            setNext(event.target.value)
          }}
        />
        {Object.keys(fields).length === 0 && <RefusalLine error={change.error} />}
        <Button type="submit" busy={change.isPending} className="justify-self-start">
          Change the password
        </Button>
      </form>
    </Card>
  )
}
