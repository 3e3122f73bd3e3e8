// Looks at a page as axe does and as a phone's screen does; and keeps a picture of it where IGNY8_SHOTS names a folder.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const shots = process.env.IGNY8_SHOTS

/** Both colours and both sizes; every pairing of them where pictures are taken. */
export const looks = [false, true].flatMap((dark) =>
  [false, true]
    .filter((phone) => dark === phone || shots !== undefined)
    .map((phone) => ({ dark, phone, name: `${phone ? 'phone' : 'desktop'}-${dark ? 'dark' : 'light'}` })),
)

interface Finding {
  id: string
  nodes: { html: string; failureSummary?: string }[]
}

async function axe(page: Page, name: string): Promise<string[]> {
  await page.evaluate(axeSource)
  const found = await page.evaluate(
    () =>
      (window as unknown as { axe: { run: () => Promise<{ violations: Finding[] }> } }).axe.run() as Promise<{
        violations: Finding[]
      }>,
  )
  return found.violations.map(
    ({ id, nodes }) =>
      `${name}: ${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary ?? ''}`).join('; ')}`,
  )
}

/** What is wrong with the page that is shown, a line for each thing. */
export async function look(page: Page, path: string, look: string): Promise<string[]> {
  const name = path
    .replace(/[#?].*/, (rest) => (rest.includes('token') ? '-token' : ''))
    .replace(/\d+/g, 'N')
    .replace(/\W+/g, '-')
  if (shots !== undefined)
    await page.screenshot({ path: `${shots}/${look}${name || '-'}.png`, fullPage: true })
  const findings = await axe(page, `${look} ${path}`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  return wide > 0 ? [...findings, `${look} ${path}: wider than the screen by ${wide} pixels`] : findings
}
