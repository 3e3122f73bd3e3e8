import { type ComponentProps, type ReactNode, useId } from 'react'
import { classNames } from '@/shared/lib/class-names'

const box =
  'w-full min-h-10 rounded-lg border bg-surface px-3 py-2 text-ink placeholder:text-ink-3 transition-colors disabled:opacity-60'

interface Frame {
  label: string
  hint?: ReactNode
  error?: string | undefined
  /** Beside the label, at its right. */
  aside?: ReactNode
}

interface Wiring {
  id: string
  'aria-describedby': string | undefined
  'aria-invalid': true | undefined
  className: string
}

function Labelled({
  label,
  hint,
  error,
  aside,
  children,
}: Frame & { children: (wiring: Wiring) => ReactNode }) {
  const id = useId()
  const described = [hint !== undefined && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className="grid gap-1.5">
      <div className="flex items-baseline justify-between gap-3">
        <label htmlFor={id} className="text-sm font-medium text-ink">
          {label}
        </label>
        {aside}
      </div>
      {children({
        id,
        'aria-describedby': described || undefined,
        'aria-invalid': error ? true : undefined,
        className: classNames(box, error ? 'border-bad' : 'border-edge/60 hover:border-edge'),
      })}
      {error && (
        <p id={`${id}-error`} role="alert" className="text-sm text-bad">
          {error}
        </p>
      )}
      {hint !== undefined && (
        <div id={`${id}-hint`} className="text-sm text-ink-3">
          {hint}
        </div>
      )}
    </div>
  )
}

export function TextField({
  label,
  hint,
  error,
  aside,
  className,
  ...input
}: ComponentProps<'input'> & Frame) {
  return (
    <Labelled label={label} hint={hint} error={error} aside={aside}>
      {(wiring) => <input {...input} {...wiring} className={classNames(wiring.className, className)} />}
    </Labelled>
  )
}

export function TextArea({
  label,
  hint,
  error,
  aside,
  className,
  ...area
}: ComponentProps<'textarea'> & Frame) {
  return (
    <Labelled label={label} hint={hint} error={error} aside={aside}>
      {(wiring) => <textarea {...area} {...wiring} className={classNames(wiring.className, className)} />}
    </Labelled>
  )
}

export function SelectField({
  label,
  hint,
  error,
  aside,
  className,
  ...select
}: ComponentProps<'select'> & Frame) {
  return (
    <Labelled label={label} hint={hint} error={error} aside={aside}>
      {(wiring) => (
        <select {...select} {...wiring} className={classNames(wiring.className, 'pr-8', className)} />
      )}
    </Labelled>
  )
}
