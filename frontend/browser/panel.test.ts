// Core's own panel, in the browser that a customer uses, too.
import type { Page } from 'playwright-core'
import { expect, inject, test } from 'vitest'
import {
  expectBearersOnly,
  inProfile,
  plantForeignSite,
  sessionCookies,
  signUp,
  useEverything,
} from './browser'
import { look, looks } from './look'

async function signInAtPanel(page: Page) {
  const { email, password } = inject('demo').staff
  await page.goto('/admin/')
  await page.getByLabel('E-mail address').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Accounts' }).waitFor()
}

test('a new user sees only their own account in a browser where staff are signed in at the panel', async () => {
  const foreign = await plantForeignSite()
  await inProfile(async (profile) => {
    const { page, calls, errors } = profile
    await signInAtPanel(page)
    const [session] = await sessionCookies(profile)
    expect(session?.path, 'the session is kept to the panel').toBe('/admin/')
    await signUp(page)
    await page.getByText('You have 2,000 credits to write with.').waitFor()
    await useEverything(page, foreign)
    expectBearersOnly(calls)
    expect(errors).toEqual([])
    // Signing up begins by signing out: the panel's cookie is gone, and the panel asks to sign in again.
    expect(await sessionCookies(profile)).toEqual([])
    await page.goto('/admin/')
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })
})

test('an upgrade is confirmed in the panel in three clicks, and the page of the customer beside it turns', async () => {
  await inProfile(async (profile) => {
    const { page, context, calls, errors } = profile
    await signUp(page)
    await page.goto('/account/upgrade')
    await page.getByRole('button', { name: 'Choose Growth' }).click()
    await page.getByText('This page turns by itself').waitFor()
    const reference = await page.locator('code').innerText()

    const panel = await context.newPage()
    await signInAtPanel(panel)
    await panel.getByRole('link', { name: 'Payments', exact: true }).click()
    await panel.getByRole('link', { name: reference }).click()
    await panel.getByLabel("The bank's name for it").fill(`BT-${crypto.randomUUID()}`)
    await panel.getByLabel('Payer').fill('Ada Lovelace')
    await panel.getByRole('button', { name: 'Confirm the payment' }).click()
    await panel.getByRole('status').waitFor()

    await page.getByRole('heading', { name: 'Growth is active' }).waitFor()
    await page.getByRole('link', { name: '20,000 credits' }).waitFor()
    expectBearersOnly(calls)
    expect(errors).toEqual([])
    // Whoever works in the app takes nothing from the panel.
    await panel.reload()
    await panel.getByRole('navigation', { name: 'Panel' }).waitFor()
  })
})

for (const { dark, phone, name } of looks) {
  test(`every page of the panel opens without an error, and axe finds nothing: ${name}`, async () => {
    await inProfile(
      async ({ page, errors }) => {
        await page.goto('/admin/sign-in/')
        const findings = await look(page, '/admin/sign-in/', name)
        await signInAtPanel(page)
        await page.locator('tbody th a').first().click()
        await page.getByRole('heading', { name: 'Standing' }).waitFor()
        const account = new URL(page.url()).pathname
        const parts = ['', 'ledger/', 'keys/', 'people/', 'audit/'].map((part) => account + part)
        for (const path of ['/admin/', '/admin/payments/', '/admin/plans/', '/admin/payments/0/', ...parts]) {
          await page.goto(path)
          await page.getByRole('heading', { level: 1 }).waitFor()
          findings.push(...(await look(page, path, name)))
        }
        expect(findings).toEqual([])
        // A page that is not there is the one error that a console tells of.
        expect(errors.filter((error) => !error.includes('/admin/payments/0/'))).toEqual([])
      },
      { dark, phone },
    )
  })
}
