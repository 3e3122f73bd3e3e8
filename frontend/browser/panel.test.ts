// Core's own panel, in the browser that a customer uses, too.
import { readFileSync } from 'node:fs'
import { beforeAll, expect, inject, test } from 'vitest'
import {
  ask,
  codeOf,
  expectBearersOnly,
  inProfile,
  newAddress,
  PASSWORD,
  signUp,
  tabTo,
  tokenOf,
  url,
} from './browser'
import { look, looks } from './look'
import { panel } from './panels'

const TOTP = '/api/v1/auth/totp/'

test('an upgrade is confirmed in the panel in three clicks, and the page of the customer beside it turns', async () => {
  await inProfile(async (profile) => {
    const { page, context, calls, errors } = profile
    await signUp(page)
    await page.goto('/account/upgrade')
    await page.getByRole('button', { name: 'Choose Growth' }).click()
    await page.getByText('This page turns by itself').waitFor()
    const reference = await page.locator('code').innerText()

    const tab = await context.newPage()
    await panel.signIn(tab)
    await tab.getByRole('link', { name: 'Payments', exact: true }).click()
    await tab.getByRole('link', { name: reference }).click()
    await tab.getByLabel("The bank's name for it").fill(`BT-${crypto.randomUUID()}`)
    await tab.getByLabel('Payer').fill('Ada Lovelace')
    await tab.getByRole('button', { name: 'Confirm the payment' }).click()
    await tab.getByRole('status').waitFor()

    await page.getByRole('heading', { name: 'Growth is active' }).waitFor()
    await page.getByRole('link', { name: '20,000 credits' }).waitFor()
    expectBearersOnly(calls)
    expect(errors).toEqual([])
    // Whoever works in the app takes nothing from the panel.
    await tab.reload()
    await panel.isIn(tab)
    // The audit says what was before, and what is after.
    await tab.getByRole('link', { name: 'Audit' }).click()
    await tab.getByText('Free Trial \u2192 Growth').first().waitFor()
  })
})

test('the keyboard is enough to sign in to the panel and find an account', async () => {
  await inProfile(async ({ page, errors }) => {
    const { email, password } = inject('demo').staff
    await page.goto('/admin/')
    await tabTo(page, page.getByLabel('E-mail address'))
    await page.keyboard.type(email)
    await tabTo(page, page.getByLabel('Password'))
    await page.keyboard.type(password)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Accounts' }).waitFor()
    await tabTo(page, page.getByLabel('Number, name or address'))
    await page.keyboard.type(inject('demo').owner.email)
    await page.keyboard.press('Enter')
    const found = page.getByRole('cell', { name: inject('demo').owner.email })
    await found.waitFor()
    const account = page.getByRole('row').filter({ has: found }).getByRole('link').first()
    await tabTo(page, account)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Standing' }).waitFor()
    expect(errors).toEqual([])
  })
})

test('staff see what the proxy has refused', async () => {
  await inProfile(async ({ page }) => {
    for (const path of ['/api/v1/account/', '/api/v1/account/', '/api/v1/sites/']) await fetch(url + path)
    await panel.signIn(page)
    await page.getByRole('link', { name: 'Proxies', exact: true }).click()
    const refused = page.getByRole('row').filter({ hasText: 'credentials_required' }).first()
    await refused.waitFor()
    expect(Number(await refused.getByRole('cell').first().innerText())).toBeGreaterThan(0)
  })
})

test('a table has every row, and its name says what it is', async () => {
  await inProfile(async ({ page }) => {
    await signUp(page)
    await panel.signIn(page)
    const waiting = page.waitForEvent('download')
    await page.getByRole('link', { name: 'CSV' }).click()
    const download = await waiting
    expect(download.suggestedFilename()).toBe('accounts.csv')
    const table = readFileSync(await download.path(), 'utf8')
    expect(table.split('\r\n')[0]).toBe('id,name,status,plan,credits,owners,created_at')
    expect(table.trim().split('\r\n').length).toBeGreaterThan(3)
  })
})

test('staff with a second factor are asked for its code in a second step', async () => {
  const { staff } = inject('demo')
  const token = await tokenOf(staff)
  const { secret } = await ask<{ secret: string }>(TOTP, { password: staff.password }, token)
  const { recovery_codes } = await ask<{ recovery_codes: string[] }>(
    `${TOTP}confirm/`,
    { code: codeOf(secret) },
    token,
  )
  const findings: string[] = []
  try {
    for (const { dark, phone, name } of looks) {
      await inProfile(
        async ({ page, errors }) => {
          await page.goto('/admin/')
          await page.getByLabel('E-mail address').fill(staff.email)
          await page.getByLabel('Password').fill(staff.password)
          await page.getByRole('button', { name: 'Sign in' }).click()
          await page.getByLabel('Code of your authenticator app').waitFor()
          findings.push(...(await look(page, '/admin/sign-in/code/', name)))
          await page.getByLabel('Code of your authenticator app').fill(recovery_codes.pop() ?? '')
          await page.getByRole('button', { name: 'Go on' }).click()
          await page.getByRole('heading', { name: 'Accounts' }).waitFor()
          expect(errors).toEqual([])
        },
        { dark, phone },
      )
    }
  } finally {
    await ask(TOTP, { code: recovery_codes.pop() }, token, 'DELETE')
  }
  expect(findings).toEqual([])
})

/** Somebody who works, and somebody who waits, so that every page has something to show. */
async function filled() {
  const register = (first_name: string, account_name: string) =>
    ask<{ access: string; account: { id: number } }>('/api/v1/auth/register/', {
      email: newAddress(),
      password: PASSWORD,
      first_name,
      account_name,
    })
  const staff = await tokenOf(inject('demo').staff)
  const [active, waiting] = [await register('Ada', 'Field notes'), await register('Grace', 'The dry garden')]
  const upgrade = (plan_slug: string, token: string) =>
    ask<{ amount: string }>('/api/v1/account/upgrade/', { plan_slug, payment_method: 'bank_transfer' }, token)
  await upgrade('starter', waiting.access)
  const { amount } = await upgrade('growth', active.access)
  await ask(
    '/api/v1/billing/confirm-bank-transfer/',
    {
      account_id: active.account.id,
      external_payment_id: `BT-${crypto.randomUUID()}`,
      amount,
      payer_name: 'Ada Lovelace',
    },
    staff,
  )
  await ask('/api/v1/credits/consume/', { amount: 12, description: 'Draft: Straw or bark?' }, active.access)
  await ask('/api/v1/account/api-keys/', { name: 'Nightly import', role: 'editor' }, active.access)
}

beforeAll(filled)

for (const { dark, phone, name } of looks) {
  test(`every page of the panel opens without an error, and axe finds nothing: ${name}`, async () => {
    await inProfile(
      async ({ page, errors }) => {
        await page.goto('/admin/sign-in/')
        const findings = await look(page, '/admin/sign-in/', name)
        await panel.signIn(page)
        await page.getByRole('link', { name: 'Payments', exact: true }).click()
        await page.locator('tbody th a').first().click()
        const payment = new URL(page.url()).pathname
        await page.goto('/admin/?status=active&q=Field+notes')
        await page.locator('tbody th a').first().click()
        await page.getByRole('heading', { name: 'Standing' }).waitFor()
        const account = new URL(page.url()).pathname
        const parts = ['', 'ledger/', 'keys/', 'people/', 'audit/'].map((part) => account + part)
        const lists = ['/admin/', '/admin/payments/', '/admin/plans/', '/admin/proxies/']
        for (const path of [...lists, payment, '/admin/no-such-page/', ...parts]) {
          await page.goto(path)
          await page.getByRole('heading', { level: 1 }).waitFor()
          findings.push(...(await look(page, path, name)))
        }
        // What staff can do is folded away at first.
        await page.goto(account)
        await page.evaluate(() => {
          for (const folded of document.querySelectorAll('details')) folded.open = true
        })
        findings.push(...(await look(page, `${account}open`, name)))
        expect(findings).toEqual([])
        // A page that is not there is the one error that a console tells of.
        expect(errors.filter((error) => !error.includes('/admin/no-such-page/'))).toEqual([])
      },
      { dark, phone },
    )
  })
}
