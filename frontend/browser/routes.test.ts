// Every page: by link, by reload, by deep link, without an error on the console; and looked at by axe, light and dark.
import type { Page } from 'playwright-core'
import { expect, inject, test } from 'vitest'
import { ask, inProfile, newAddress, type Profile, signOut, signUp, tokenOf } from './browser'
import { look, looks } from './look'

const visitors = ['/login', '/signup', '/reset', '/reset#token=x', '/verify#token=x', '/join#token=x']
const work = ['/sites', '/planner/keywords', '/planner/clusters', '/writer/drafts', '/writer/queue']
const account = ['', '/usage', '/upgrade', '/receipts', '/api-keys', '/members', '/security'].map(
  (page) => `/account${page}`,
)
const elsewhere = ['/marketing/', '/published/']

async function settled(page: Page) {
  await page.getByRole('heading', { level: 1 }).first().waitFor()
  // What is on its way pulses.
  await page.waitForFunction(() => document.querySelector('.animate-pulse, .animate-spin') === null)
}

/** Goes to a page of the app as a link does, without loading anything anew. */
async function go(page: Page, path: string) {
  await page.evaluate((to) => {
    // The heading that is there now is the last page's: a new page has a new one.
    document.querySelector('h1')?.setAttribute('data-left', '')
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)
  await page.locator('h1:not([data-left])').first().waitFor({ state: 'attached' })
  await settled(page)
}

/** Pays for a plan: the number of the receipt. */
async function paid(token: string): Promise<number> {
  const { id } = await ask<{ id: number }>('/api/v1/account/', undefined, token)
  const { amount } = await ask<{ amount: string }>(
    '/api/v1/account/upgrade/',
    { plan_slug: 'growth', payment_method: 'bank_transfer' },
    token,
  )
  await ask(
    '/api/v1/billing/confirm-bank-transfer/',
    {
      account_id: id,
      external_payment_id: `BT-${crypto.randomUUID()}`,
      amount,
      payer_name: 'Ada Lovelace',
    },
    await tokenOf(inject('demo').staff),
  )
  const { items } = await ask<{ items: { number: number }[] }>('/api/v1/account/receipts/', undefined, token)
  return items[0]?.number ?? 0
}

/** A profile with something on every page: the paths that have a number in them. */
async function filled({ page }: Profile) {
  await signUp(page)
  const bearer = page.waitForRequest((request) => request.headers().authorization !== undefined)
  await go(page, '/planner/clusters')
  const token = ((await bearer).headers().authorization ?? '').replace('Bearer ', '')
  const write = async (path: string, body: unknown) => {
    const response = await fetch(new URL(path, page.url()), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`)
    return (await response.json()) as { id: number }
  }
  for (const [name, domain] of [
    ['Field notes', 'notes.example.com'],
    ['The dry garden', 'garden.example.org'],
    ['Water & Soil', 'water.example.net'],
  ]) {
    await write('/api/v1/sites/', { name, domain })
  }
  const cluster = await write('/api/v1/planner/clusters/', { name: 'Mulching tomatoes' })
  await write('/api/v1/planner/clusters/', { name: 'Watering in a dry summer' })
  for (const [term, volume, difficulty] of [
    ['when to mulch tomatoes', 2400, 31],
    ['mulch for tomatoes', 5400, 48],
    ['straw or bark mulch', 880, 22],
    ['how often to water tomatoes', 12100, 67],
  ]) {
    await write('/api/v1/planner/keywords/', { term, volume, difficulty, cluster: cluster.id })
  }
  const text = 'Wait until the soil is warm. Mulch keeps the ground as it is, and in May that is cold. '
  const first = await write('/api/v1/writer/drafts/', {
    title: 'Straw, bark or leaves?',
    words: 1200,
    body: text.repeat(9),
  })
  await write('/api/v1/writer/drafts/', { title: 'Seldom and much: watering in July', words: 800, body: '' })
  for (const [amount, description] of [
    [12, 'Draft: Straw, bark or leaves?'],
    [8, 'Draft: Seldom and much'],
  ]) {
    await ask('/api/v1/credits/consume/', { amount, description }, token)
  }
  await ask('/api/v1/account/api-keys/', { name: 'Nightly import', role: 'editor' }, token)
  await ask('/api/v1/account/members/invite/', { email: newAddress(), role: 'viewer' }, token)
  const receipt = await paid(token)
  return [`/writer/drafts/${String(first.id)}`, `/account/receipts/${String(receipt)}`]
}

for (const { dark, phone, name } of looks) {
  test(`every page opens by link without an error, and axe finds nothing: ${name}`, async () => {
    await inProfile(
      async (profile) => {
        const { page, errors } = profile
        const findings: string[] = []
        for (const path of [...visitors, ...elsewhere]) {
          await page.goto(path)
          await settled(page)
          findings.push(...(await look(page, path, name)))
        }
        // One on trial, as most are at first; then one who has paid.
        await signUp(page)
        await go(page, '/account')
        findings.push(...(await look(page, '/account/on-trial', name)))
        await signOut(page)
        const numbered = await filled(profile)
        for (const path of [...work, ...account, ...numbered, '/no/such/page']) {
          await go(page, path)
          findings.push(...(await look(page, path, name)))
        }
        expect(findings).toEqual([])
        expect(errors).toEqual([])
      },
      { dark, phone },
    )
  })
}

test('every page opens by reload and by deep link, in a tab of its own', async () => {
  await inProfile(async (profile) => {
    const { context, errors } = profile
    const numbered = await filled(profile)
    for (const path of [...work, ...account, ...numbered]) {
      const tab = await context.newPage()
      await tab.goto(path)
      await settled(tab)
      await tab.reload()
      await settled(tab)
      expect(new URL(tab.url()).pathname).toBe(path)
      await tab.close()
    }
    expect(errors).toEqual([])
  })
})
