import { type ReactNode } from 'react'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'

/** Asks for a code of an authenticator app. */
export function CodeForm({
  hint,
  code,
  onCode,
  onSubmit,
  error,
  children,
}: {
  hint: string
  code: string
  onCode: (code: string) => void
  onSubmit: () => void
  error: unknown
  children: ReactNode
}) {
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit()
      }}
    >
      <TextField
        label="Code"
        hint={hint}
        required
        autoComplete="one-time-code"
        value={code}
        onChange={(event) => {
          onCode(event.target.value)
        }}
      />
      <RefusalLine error={error} />
      {children}
    </form>
  )
}
