import { Eye, EyeOff } from 'lucide-react'
import { type ComponentProps, useEffect, useState } from 'react'
import { classNames } from '@/shared/lib/class-names'
import { TextField } from '@/shared/ui/field'
import type { Strength } from './strength'

type FieldProps = ComponentProps<typeof TextField>

export function PasswordField(props: FieldProps) {
  const [shown, setShown] = useState(false)
  return (
    <TextField
      {...props}
      type={shown ? 'text' : 'password'}
      spellCheck={false}
      autoCapitalize="off"
      aside={
        <button
          type="button"
          aria-pressed={shown}
          onClick={() => {
            setShown(!shown)
          }}
          className="inline-flex items-center gap-1 rounded text-sm text-ink-3 hover:text-ink"
        >
          {shown ? <EyeOff size={14} aria-hidden /> : <Eye size={14} aria-hidden />}
          {shown ? 'Hide' : 'Show'}
        </button>
      }
    />
  )
}

const words = ['very weak', 'weak', 'not yet strong', 'strong', 'very strong']
const bars = ['bg-bad', 'bg-bad', 'bg-warn', 'bg-good', 'bg-good']

/** A new password with its strength, live. */
export function NewPasswordField({
  value,
  personal,
  ...props
}: FieldProps & { value: string; personal: string[] }) {
  const strength = useStrength(value, personal)
  return (
    <PasswordField
      {...props}
      autoComplete="new-password"
      hint={<Meter strength={strength} length={value.length} />}
    />
  )
}

function Meter({ strength, length }: { strength: Strength | null; length: number }) {
  const score = strength?.score ?? -1
  return (
    <div className="grid gap-1.5">
      <div aria-hidden className="grid grid-cols-4 gap-1.5">
        {[1, 2, 3, 4].map((step) => (
          <div
            key={step}
            className={classNames(
              'h-1.5 rounded-full transition-colors',
              score >= step || (step === 1 && score === 0) ? bars[score] : 'bg-line',
            )}
          />
        ))}
      </div>
      <p aria-live="polite">
        {length === 0 || strength === null
          ? 'At least 8 characters, hard to guess. A few words that do not belong together are good.'
          : `This password is ${words[strength.score] ?? ''}.${strength.score < 3 && strength.advice !== null ? ` ${strength.advice}` : ''}`}
      </p>
    </div>
  )
}

function useStrength(password: string, personal: string[]): Strength | null {
  const [strength, setStrength] = useState<Strength | null>(null)
  const words = personal.join('\n')
  useEffect(() => {
    if (password === '') return
    let wanted = true
    void import('./strength').then(
      ({ strengthOf }) => {
        if (wanted) setStrength(strengthOf(password, words.split(/[\n@.\s]/)))
      },
      // Without the meter the server still judges the password.
      () => undefined,
    )
    return () => {
      wanted = false
    }
  }, [password, words])
  return password === '' ? null : strength
}
