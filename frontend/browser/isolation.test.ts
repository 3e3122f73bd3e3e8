// The fault that igny8 was made against, in a real browser: an administrator's session in the profile of an ordinary user.
import { expect, inject, test } from 'vitest'
import type { Page } from 'playwright-core'
import {
  expectBearersOnly,
  inProfile,
  plantForeignSite,
  sessionCookies,
  signOut,
  signUp,
  url,
  useEverything,
} from './browser'

async function signInAtDjango(page: Page) {
  const { username, password } = inject('demo').app_admin ?? { username: '', password: '' }
  await page.goto('/admin/login/')
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('Site administration').waitFor()
}

test("a new user sees only their own account in a browser where an administrator is signed in at Django's panel", async () => {
  const foreign = await plantForeignSite()
  await inProfile(async (profile) => {
    const { page, calls, errors } = profile
    await signInAtDjango(page)
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
    await page.getByLabel('Username').waitFor()
  })
})

test('an administrator who signs in beside a user keeps the panel, and the user their own account', async () => {
  const foreign = await plantForeignSite()
  await inProfile(async (profile) => {
    const { page, context, calls } = profile
    await signUp(page)
    const panel = await context.newPage()
    await signInAtDjango(panel)
    await useEverything(page, foreign)
    expectBearersOnly(calls)
    await panel.reload()
    await panel.getByText('Site administration').waitFor()
  })
})

test('a session that an older app left at / is ended and told, and the next load works', async () => {
  await inProfile(async (profile) => {
    const { page, context } = profile
    await signInAtDjango(page)
    const [session] = await sessionCookies(profile)
    await context.addCookies([{ name: 'sessionid', value: session?.value ?? '', url: `${url}/` }])
    const blocked = await page.goto('/signup')
    expect(blocked?.status()).toBe(403)
    expect(await page.locator('body').innerText()).toContain('administrator')
    await page.goto('/signup')
    await page.getByRole('heading', { name: 'Create your account' }).waitFor()
    await page.goto('/admin/')
    await page.getByLabel('Username').waitFor()
  })
})

test('signing out leaves no cookie of ours and nothing in storage, and signs the other tabs out', async () => {
  await inProfile(async ({ page, context, errors }) => {
    // The other tab is there first: it is told when somebody signs up in this one.
    const other = await context.newPage()
    await other.goto('/login')
    await other.getByRole('heading', { name: 'Welcome back' }).waitFor()
    await signUp(page)
    await other.waitForURL('**/sites')
    await page.evaluate(() => {
      localStorage.setItem('left-over', '1')
      sessionStorage.setItem('left-over', '1')
      document.cookie = 'left_over=1; Path=/'
    })
    await signOut(page)
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor()
    await other.getByRole('heading', { name: 'Welcome back' }).waitFor()
    const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])
    expect(kept).toEqual([0, 0, ''])
    expect(await context.cookies()).toEqual([])
    await page.goto('/account')
    await page.waitForURL('**/login?next=%2Faccount')
    expect(errors).toEqual([])
  })
})
