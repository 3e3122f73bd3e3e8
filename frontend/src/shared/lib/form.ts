import type { FieldValues, Path, UseFormReturn } from 'react-hook-form'
import { asRefusal } from '@/shared/api/refusal'

/** Puts what the server says about single fields beside them. Returns the refusal if some of it belongs to the whole form. */
export function placeRefusal<T extends FieldValues>(error: unknown, form: UseFormReturn<T>): unknown {
  const refusal = asRefusal(error)
  const names = Object.keys(form.getValues())
  const placed = Object.entries(refusal.fields).filter(([name]) => names.includes(name))
  for (const [index, [name, message]] of placed.entries()) {
    form.setError(name as Path<T>, { message }, { shouldFocus: index === 0 })
  }
  return placed.length > 0 && placed.length === Object.keys(refusal.fields).length ? null : refusal
}
