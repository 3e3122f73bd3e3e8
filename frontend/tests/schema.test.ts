// @vitest-environment node
// The generated types are what the core's committed description says.
import { readFileSync } from 'node:fs'
import openapi, { astToString } from 'openapi-typescript'
import { expect, test } from 'vitest'

const fromHere = (path: string) => new URL(path, import.meta.url)

test('the generated types are fresh (else: npm run types)', { timeout: 60_000 }, async () => {
  const written = readFileSync(fromHere('../src/shared/api/schema.d.ts'), 'utf8')
  const description = JSON.parse(readFileSync(fromHere('../../core/openapi.json'), 'utf8')) as Parameters<
    typeof openapi
  >[0]
  const ast = await openapi(description)
  expect(written.slice(written.indexOf('export interface paths'))).toBe(astToString(ast))
})

test('no route is written by hand that the description has', () => {
  const described = Object.keys(
    (JSON.parse(readFileSync(fromHere('../../core/openapi.json'), 'utf8')) as { paths: object }).paths,
  )
  const byHand = readFileSync(fromHere('../src/shared/api/example-app.ts'), 'utf8').matchAll(
    /^ {2}'(\/api\/v1\/[^']+)'/gm,
  )
  const both = [...byHand]
    .map(([, path]) => path)
    .filter((path) => path !== undefined && described.includes(path))
  expect(both, 'take these out of src/shared/api/example-app.ts').toEqual([])
})
