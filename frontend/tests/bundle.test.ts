// @vitest-environment node
// How much script a first visit loads: the entry, the page, and everything they need before they can be shown.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MOST_BYTES = 150_000

interface Chunk {
  file: string
  src?: string
  imports?: string[]
  dynamicImports?: string[]
}

let folder = ''
let chunks: Record<string, Chunk> = {}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'igny8-bundle-'))
  execFileSync('npx', ['vite', 'build', '--outDir', folder, '--emptyOutDir', '--logLevel', 'error'], {
    env: { ...process.env, NODE_ENV: 'production' },
  })
  chunks = JSON.parse(readFileSync(join(folder, '.vite/manifest.json'), 'utf8')) as Record<string, Chunk>
}, 180_000)
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function withImports(keys: string[]): Set<string> {
  const found = new Set<string>()
  const waiting = [...keys]
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (found.has(key)) continue
    found.add(key)
    waiting.push(...(chunks[key]?.imports ?? []))
  }
  return found
}

function bytes(keys: string[]): number {
  return [...withImports(keys)]
    .map((key) => chunks[key]?.file ?? '')
    .filter((file) => file.endsWith('.js'))
    .reduce((sum, file) => sum + gzipSync(readFileSync(join(folder, file)), { level: 9 }).length, 0)
}

test('no page of the app loads more than 150 kB of script, compressed, on a first visit', () => {
  const pages = chunks['index.html']?.dynamicImports?.filter((key) => key.endsWith('-page.tsx')) ?? []
  expect(pages.length).toBeGreaterThan(15)
  const shell = 'src/app/shell.tsx'
  const layout = 'src/features/account/layout.tsx'
  const sizes = pages.map((page) => {
    const around = page.includes('/auth/') ? [] : page.includes('/account/') ? [shell, layout] : [shell]
    const needed = ['index.html', ...around, page]
    expect(needed.filter((key) => chunks[key] === undefined)).toEqual([])
    return [page, bytes(needed)] as const
  })
  expect(sizes.filter(([, size]) => size > MOST_BYTES)).toEqual([])
})

test('the charting library and the words of the password meter are not part of any first visit', () => {
  const entry = withImports(
    Object.keys(chunks).filter((key) => key.endsWith('-page.tsx') || key === 'index.html'),
  )
  const large = Object.keys(chunks).filter((key) => /usage-chart|strength|dialog-frame/.test(key))
  expect(large).toHaveLength(3)
  expect(large.filter((key) => entry.has(key))).toEqual([])
})

test('no built file names another server to load from', () => {
  const files = Object.values(chunks).map(({ file }) => file)
  const pages = ['index.html', 'marketing/index.html', 'published/index.html']
  for (const file of [...files.filter((name) => name.endsWith('.css')), ...pages]) {
    const text = readFileSync(join(folder, file), 'utf8')
    expect(text.match(/(src|href)="(https?:)?\/\/[^"]+|url\(["']?(https?:)?\/\/[^)]+/g), file).toBeNull()
    expect(text, file).not.toMatch(/<script(?![^>]* src=)|<style| on\w+="/)
  }
})
