import { expect, test } from 'vitest'
import { deviceOf } from './security-page'
import { periodsOf } from './time-line'
import type { Payment } from './api'

const day = (number: number) => new Date(Date.UTC(2026, 0, number)).toISOString()
const running = {
  number: 1,
  status: 'active',
  payment_method: 'bank_transfer',
  current_period_start: day(61),
  current_period_end: day(91),
  cancel_at_period_end: false,
}
const paid = (start: number, end: number): Payment => ({
  id: start,
  status: 'confirmed',
  method: 'bank_transfer',
  plan_slug: 'starter',
  amount: '29.99',
  currency: 'USD',
  created_at: day(start),
  period_start: day(start),
  period_end: day(end),
})

test('periods stand in the order of time, the running one last and once', () => {
  const found = periodsOf(running, [paid(61, 91), paid(31, 61), paid(1, 31)])
  expect(found.map(({ start }) => start)).toEqual([day(1), day(31), day(61)])
})

test('a period that was cut short ends where the running one begins', () => {
  expect(periodsOf(running, [paid(51, 81)])[0]).toEqual({ start: day(51), end: day(61) })
})

test.each([
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Safari/537.36',
    'Chrome on Linux',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1',
    'Safari on iOS',
  ],
  ['curl/8.0', 'curl'],
  ['', 'Unknown device'],
])('%s is %s', (agent, device) => {
  expect(deviceOf(agent)).toBe(device)
})
