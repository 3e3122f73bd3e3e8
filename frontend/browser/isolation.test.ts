// The fault that igny8 was made against, in a real browser: an administrator's session in the profile of an ordinary user.
// Told twice: with the panel of the app, and with core's own.
import { expect, test } from 'vitest'
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
import { panel } from './panels'

test('a new user sees only their own account in a browser where an administrator is signed in at the panel', async () => {
  const foreign = await plantForeignSite()
  await inProfile(async (profile) => {
    const { page, calls, errors } = profile
    await panel.signIn(page)
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
    await panel.asks(page)
  })
})

test('an administrator who signs in beside a user keeps the panel, and the user their own account', async () => {
  const foreign = await plantForeignSite()
  await inProfile(async (profile) => {
    const { page, context, calls } = profile
    await signUp(page)
    const tab = await context.newPage()
    await panel.signIn(tab)
    await useEverything(page, foreign)
    expectBearersOnly(calls)
    await tab.reload()
    await panel.isIn(tab)
  })
})

test('a session that an older app left at / is ended and told, and the next load works', async () => {
  await inProfile(async (profile) => {
    const { page, context } = profile
    await panel.signIn(page)
    const [session] = await sessionCookies(profile)
    await context.addCookies([{ name: 'sessionid', value: session?.value ?? '', url: `${url}/` }])
    const blocked = await page.goto('/signup')
    expect(blocked?.status()).toBe(403)
    expect(await page.locator('body').innerText()).toContain('administrator')
    await page.goto('/signup')
    await page.getByRole('heading', { name: 'Create your account' }).waitFor()
    await page.goto('/admin/')
    await panel.asks(page)
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
