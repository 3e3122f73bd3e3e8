// A Chromium with a profile of its own, and what was seen in it: calls of the API with their header fields, console errors.
import { createHmac } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
  type Request,
  type Response,
} from 'playwright-core'
import { expect, inject } from 'vitest'
import type { Person } from './stack'

export const { url } = inject('demo')
/** Whose panel is at /admin: core's, or that of the app. */
export const panelOfCore = process.env.IGNY8_ADMIN === 'core'
export const PASSWORD = 'plover-tannin-93-gazette'

export interface Call {
  method: string
  path: string
  headers: Record<string, string>
}

export interface Profile {
  context: BrowserContext
  page: Page
  calls: Call[]
  /** Errors on consoles and uncaught ones, of every page of the profile. */
  errors: string[]
  /** Loads from elsewhere, and pages of ours whose policy lets scripts within them run. No story may have one. */
  breaches: string[]
  close: () => Promise<void>
}

const seconds = (count: number) => count * 1000

export async function openProfile(options: { dark?: boolean; phone?: boolean } = {}): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'igny8-profile-'))
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
    baseURL: url,
    colorScheme: options.dark === true ? 'dark' : 'light',
    viewport: options.phone === true ? { width: 390, height: 844 } : { width: 1280, height: 860 },
    reducedMotion: 'reduce',
  })
  context.setDefaultTimeout(seconds(15))
  const calls: Call[] = []
  const errors: string[] = []
  const breaches: string[] = []
  const pending: Promise<void>[] = []
  const note = async (request: Request) => {
    const { pathname, origin, protocol } = new URL(request.url())
    if (/^(http|ws)s?:$/.test(protocol) && origin !== url)
      breaches.push(`loaded from elsewhere: ${request.url()}`)
    if (!pathname.startsWith('/api/')) return
    // The browser's own list, cookies included; a request that was broken off has none.
    const headers = await request.allHeaders().catch(() => ({}))
    calls.push({ method: request.method(), path: pathname, headers })
  }
  context.on('request', (request) => pending.push(note(request)))
  context.on('response', (response) => {
    if (isOurPage(response) && !isStrict(response.headers()['content-security-policy']))
      breaches.push(`${response.url()} lets scripts within the page run`)
  })
  context.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`)
  })
  context.on('weberror', (error) => errors.push(String(error.error())))
  const page = context.pages()[0] ?? (await context.newPage())
  return {
    context,
    page,
    calls,
    errors,
    breaches,
    close: async () => {
      await Promise.all(pending)
      await context.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A page that is ours to make: the app's own panel is not. */
function isOurPage(response: Response): boolean {
  if (response.request().resourceType() !== 'document') return false
  if (!(response.headers()['content-type'] ?? '').startsWith('text/html')) return false
  return panelOfCore || !new URL(response.url()).pathname.startsWith('/admin')
}

/** Whether a content security policy keeps scripts to files of our own. */
function isStrict(policy = ''): boolean {
  const rules = new Map(policy.split(';').map((rule) => [rule.trim().split(/\s+/)[0], rule.trim()]))
  const scripts = rules.get('script-src') ?? rules.get('default-src')
  return scripts !== undefined && /^\S+ '(self|none)'$/.test(scripts)
}

/** Runs a test's story in a profile of its own. */
export async function inProfile(
  story: (profile: Profile) => Promise<void>,
  options: { dark?: boolean; phone?: boolean } = {},
) {
  const profile = await openProfile(options)
  try {
    await story(profile)
    expect(profile.breaches).toEqual([])
  } catch (error) {
    const shown = await profile.page
      .locator('body')
      .ariaSnapshot({ timeout: 2_000 })
      .catch(() => 'nothing')
    process.stderr.write(
      `At ${profile.page.url()}, with the errors ${JSON.stringify(profile.errors)}, was shown:\n${shown}\n`,
    )
    throw error
  } finally {
    await profile.close()
  }
}

export const newAddress = () => `person-${crypto.randomUUID().slice(0, 8)}@example.com`

export async function signUp(page: Page, email = newAddress()): Promise<Person> {
  await page.goto('/signup')
  await page.getByLabel('E-mail address').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await page.getByRole('button', { name: 'Start the free trial' }).click()
  await page.waitForURL('**/sites')
  return { email, password: PASSWORD }
}

export async function signIn(page: Page, { email, password }: Person) {
  await page.getByLabel('E-mail address').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** Goes on with the Tab key until `target` has the focus, as somebody without a mouse does. */
export async function tabTo(page: Page, target: Locator) {
  for (let pressed = 0; pressed < 60; pressed += 1) {
    if ((await page.locator(':focus').and(target).count()) > 0) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`The Tab key does not lead to ${String(target)}`)
}

export async function signOut(page: Page) {
  await page.getByRole('button', { name: /^You: / }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL('**/login')
}

/** The code that an authenticator app shows for a secret in base 32, so many steps from now (RFC 6238). */
export function codeOf(secret: string, ahead = 0): string {
  const bits = Array.from(secret, (letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  ).join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead))
  const digest = createHmac('sha1', key).update(step).digest()
  const at = (digest.at(-1) ?? 0) & 15
  return String((digest.readUInt32BE(at) & 0x7f_ff_ff_ff) % 1_000_000).padStart(6, '0')
}

/** The links to `path` in mails to `email`. */
export function linksTo(email: string, path: string): string[] {
  const { mail } = inject('demo')
  return readdirSync(mail)
    .sort()
    .map((name) => readFileSync(join(mail, name), 'utf8').replaceAll('=\r\n', '').replaceAll('=3D', '='))
    .filter((text) => text.includes(`To: ${email}`))
    .flatMap((text) => new RegExp(`http\\S+${path}#token=\\S+`).exec(text) ?? [])
}

/** What the API says, asked past the browser: for what staff do. */
export async function ask<T>(
  path: string,
  body?: unknown,
  token?: string,
  method = body === undefined ? 'GET' : 'POST',
): Promise<T> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (response.status === 204) return undefined as T
  const answer = (await response.json()) as { data: T }
  if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${JSON.stringify(answer)}`)
  return answer.data
}

export const tokenOf = async (person: Person) =>
  (await ask<{ access: string }>('/api/v1/auth/login/', person)).access

/** The routes that take or give a cookie, and those that anybody may ask. Everything else carries a bearer token. */
const WITHOUT_BEARER =
  /^\/api\/v1\/(auth\/(login|logout|register|refresh|password-reset|verify-email|invitations)|plans)\//

/** Every call of the API proved itself by a token alone, and no session came along. */
export function expectBearersOnly(calls: Call[]) {
  expect(calls.length).toBeGreaterThan(0)
  for (const { method, path, headers } of calls) {
    const cookies = headers.cookie ?? ''
    expect(cookies, `${method} ${path}`).not.toContain('sessionid')
    if (WITHOUT_BEARER.test(path)) continue
    expect(headers.authorization, `${method} ${path}`).toMatch(/^Bearer ey/)
    expect(cookies, `${method} ${path}`).toBe('')
  }
}

/** The cookies of a panel that this profile would send anywhere. */
export const sessionCookies = async ({ context }: Profile) =>
  (await context.cookies([url, `${url}/admin/`])).filter(({ name }) => name === 'sessionid')

/** Leaves something of somebody else's behind, which a superuser would see. */
export async function plantForeignSite(): Promise<string> {
  const name = `Foreign ${crypto.randomUUID().slice(0, 8)}`
  const { access } = await ask<{ access: string }>('/api/v1/auth/login/', inject('demo').owner)
  const response = await fetch(`${url}/api/v1/sites/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${access}` },
    body: JSON.stringify({ name, domain: `${crypto.randomUUID()}.example.com` }),
  })
  expect(response.status).toBe(201)
  return name
}

/** Opens every page of work by its link; nothing of somebody else's may be on any. */
export async function useEverything(page: Page, foreign: string) {
  for (const path of [
    '/sites',
    '/planner/keywords',
    '/planner/clusters',
    '/writer/drafts',
    '/writer/queue',
    '/account',
  ]) {
    await page.locator(`a[href="${path}"]`).first().click()
    await page.waitForURL(`**${path}`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForFunction(() => document.querySelector('.animate-pulse') === null)
    expect(await page.locator('body').innerText(), path).not.toContain(foreign)
  }
}
