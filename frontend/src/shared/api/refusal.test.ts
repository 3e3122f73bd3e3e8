// @vitest-environment node
import { expect, test } from 'vitest'
import { refusalOf, retryAfter } from './refusal'

test('a refusal of the core is read with its fields and its wait', () => {
  const response = new Response(null, { status: 429, headers: { 'Retry-After': '7' } })
  const body = {
    error: 'Slow down.',
    code: 'throttled',
    request_id: 'r-7',
    fields: { email: 'It is required.' },
  }
  expect(refusalOf(response, body)).toMatchObject({
    code: 'throttled',
    message: 'Slow down.',
    requestId: 'r-7',
    retryAfterSeconds: 7,
    fields: { email: 'It is required.' },
    isPassing: true,
  })
})

test("the example app's dialect is read, too", () => {
  const response = new Response(null, { status: 400 })
  expect(refusalOf(response, { domain: ['It is taken.', 'Really.'] })).toMatchObject({
    code: 'validation_failed',
    fields: { domain: 'It is taken.' },
  })
  expect(refusalOf(new Response(null, { status: 404 }), { detail: 'Not found.' })).toMatchObject({
    code: 'status_404',
    message: 'Not found.',
  })
})

test('an answer that is no JSON at all is a refusal all the same', () => {
  expect(refusalOf(new Response(null, { status: 502 }), undefined)).toMatchObject({
    code: 'status_502',
    status: 502,
  })
})

test.each([
  [null, undefined],
  ['5', 5],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 6],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['soon', undefined],
])('Retry-After %s is %s seconds', (header, seconds) => {
  expect(retryAfter(header, 4_000)).toBe(seconds)
})
