// Numbers, money and times as people read them. Times of the service are UTC.

const whole = new Intl.NumberFormat('en-GB')

export const count = (value: number) => whole.format(value)

export const signed = (value: number) =>
  value > 0 ? `+${count(value)}` : value < 0 ? `−${count(-value)}` : '0'

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** A decimal string of the core, such as `29.99`, in its currency. */
export function money(amount: string, currency: string): string {
  return new Intl.NumberFormat('en-US', { style: 'currency', currency }).format(Number(amount))
}

const dayFormat = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
})
const shortDayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const momentFormat = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})

export const day = (time: string) => dayFormat.format(new Date(time))
export const shortDay = (time: string) => shortDayFormat.format(new Date(time))
export const moment = (time: string) => momentFormat.format(new Date(time))

const DAY_MS = 86_400_000

/** Whole days from now to `end`, begun ones counted; 0 when it is past. */
export function daysLeft(end: string, now: number): number {
  return Math.max(0, Math.ceil((Date.parse(end) - now) / DAY_MS))
}

/** How far through `[start, end)` now is, from 0 to 1. */
export function progress(start: string, end: string, now: number): number {
  const [from, to] = [Date.parse(start), Date.parse(end)]
  return to <= from ? 1 : Math.min(1, Math.max(0, (now - from) / (to - from)))
}

/** How long ago, in the largest unit that fits. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000))
  if (seconds < 60) return 'just now'
  if (seconds < 3600) return `${plural(Math.floor(seconds / 60), 'minute')} ago`
  if (seconds < 86_400) return `${plural(Math.floor(seconds / 3600), 'hour')} ago`
  return `${plural(Math.floor(seconds / 86_400), 'day')} ago`
}
