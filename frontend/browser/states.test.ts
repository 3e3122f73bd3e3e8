// What people see when the API is away, slow, or says no; and what two tabs do at the same time.
import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { inProfile, signUp } from './browser'
import { look } from './look'

const SITES = '**/api/v1/sites/**'

const refuse =
  (status: number, code: string, headers: Record<string, string> = {}) =>
  (route: Route) =>
    route.fulfill({
      status,
      headers,
      contentType: 'application/json',
      body: JSON.stringify({ success: false, error: 'No.', code, request_id: 'r-1' }),
    })

/** Leaves the page and comes back, so that it asks again. */
async function askAgain(page: Page) {
  await page.getByRole('link', { name: 'Queue' }).click()
  await page.getByRole('heading', { name: 'Queue' }).waitFor()
  await page.getByRole('link', { name: 'Sites', exact: true }).click()
}

for (const [status, code, title] of [
  [402, 'trial_ended', 'Your trial has ended'],
  [402, 'payment_required', 'A payment is due'],
  [403, 'account_suspended', 'This account is suspended'],
  [403, 'session_not_allowed', 'A session from the admin panel got in the way'],
  [403, 'superuser_session_blocked', 'An administrator was signed in with this browser'],
  [503, 'core_unavailable', 'We are not quite there'],
  [502, 'upstream_unreachable', 'We are not quite there'],
] as const) {
  test(`${String(status)} ${code} has a state of its own with a way out`, async () => {
    await inProfile(async ({ page }) => {
      await page.route(SITES, refuse(status, code))
      await signUp(page)
      await page.getByRole('heading', { name: title }).waitFor()
      await page.unroute(SITES)
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByText('Everything is ready').waitFor()
    })
  })
}

test('where the API fails, every page says so, and axe finds nothing there', async () => {
  await inProfile(async ({ page }) => {
    await signUp(page)
    const findings: string[] = []
    // All but who is signed in: that is asked for with every page that is loaded.
    await page.route(/\/api\/v1\/(?!auth\/refresh|auth\/logout)/, refuse(503, 'core_unavailable'))
    const pages = ['/sites', '/planner/keywords', '/planner/clusters', '/writer/drafts', '/writer/queue']
    const parts = ['', '/usage', '/upgrade', '/receipts', '/receipts/1', '/api-keys', '/members', '/security']
    for (const path of [...pages, '/writer/drafts/1', ...parts.map((part) => `/account${part}`)]) {
      await page.goto(path)
      await page.getByText('We are not quite there').first().waitFor()
      findings.push(...(await look(page, `${path}/failing`, 'desktop-light')))
    }
    expect(findings).toEqual([])
  })
})

test('429 counts Retry-After down and then asks again by itself', async () => {
  await inProfile(async ({ page }) => {
    await page.route(SITES, refuse(429, 'throttled', { 'Retry-After': '3' }))
    await signUp(page)
    await page.getByRole('button', { name: /Try again in [123] second/ }).waitFor()
    await page.unroute(SITES)
    await page.getByText('Everything is ready').waitFor()
  })
})

test('a slow answer shows that it is on its way', async () => {
  await inProfile(async ({ page }) => {
    let release: () => void = () => undefined
    const held = new Promise<void>((settled) => {
      release = settled
    })
    await page.route(SITES, async (route) => {
      await held
      await route.continue()
    })
    await signUp(page)
    await page.getByRole('main').getByRole('status').getByText('Loading').waitFor({ state: 'attached' })
    release()
    await page.getByText('Everything is ready').waitFor()
  })
})

test('offline is told, and work goes on when the network is back', async () => {
  await inProfile(async ({ page, context }) => {
    await signUp(page)
    await page.getByRole('link', { name: 'Queue' }).click()
    await page.getByText('Nothing is waiting').waitFor()
    await context.setOffline(true)
    await page.getByText('You are offline.').waitFor()
    await page.getByRole('link', { name: 'Account', exact: true }).click()
    await context.setOffline(false)
    await page.getByText('You are offline.').waitFor({ state: 'detached' })
    await askAgain(page)
    await page.getByText('Everything is ready').waitFor()
  })
})

test('two tabs that need a token at once ask for one, one after the other', async () => {
  await inProfile(async ({ page, context, errors }) => {
    await signUp(page)
    let underWay = 0
    let most = 0
    await context.route('**/api/v1/auth/refresh/', async (route) => {
      underWay += 1
      most = Math.max(most, underWay)
      const answer = await route.fetch()
      underWay -= 1
      await route.fulfill({ response: answer })
    })
    const tabs = await Promise.all([context.newPage(), context.newPage(), context.newPage()])
    await Promise.all(tabs.map((tab) => tab.goto('/sites')))
    await Promise.all(tabs.map((tab) => tab.getByText('Everything is ready').waitFor()))
    expect(most).toBe(1)
    expect(errors).toEqual([])
  })
})
