// What owners do with keys, people and sign-ins, as they see it.
import { expect, test } from 'vitest'
import {
  ask,
  expectBearersOnly,
  inProfile,
  newAddress,
  openProfile,
  PASSWORD,
  type Profile,
  signIn,
  signUp,
  url,
} from './browser'

const statusWith = async (key: string) =>
  (await fetch(`${url}/api/v1/sites/`, { headers: { 'X-Api-Key': key } })).status

async function withTwo(story: (first: Profile, second: Profile) => Promise<void>) {
  await inProfile(async (first) => {
    const second = await openProfile()
    try {
      await story(first, second)
    } finally {
      await second.close()
    }
  })
}

async function open({ page }: Profile, name: string) {
  await page.getByRole('link', { name: 'Account', exact: true }).first().click()
  await page.getByRole('link', { name, exact: true }).click()
  await page.getByRole('heading', { level: 1, name }).waitFor()
}

test('a key is shown once, works, is rotated, and stops working when it is revoked', async () => {
  await inProfile(async (profile) => {
    const { page, calls, errors } = profile
    await signUp(page)
    await open(profile, 'API keys')
    await page.getByRole('button', { name: 'Create a key' }).click()
    await page.getByLabel('Name').fill('Nightly import')
    await page.getByRole('button', { name: 'Create the key' }).click()
    const first = await page.getByRole('dialog').locator('code').innerText()
    expect(await statusWith(first)).toBe(200)
    await page.getByRole('button', { name: 'I have it' }).click()

    await page.getByRole('button', { name: 'Rotate Nightly import' }).click()
    await page.getByRole('button', { name: 'Make a new key' }).click()
    await page.getByText('Copy it now').waitFor()
    const second = await page.getByRole('dialog').locator('code').innerText()
    expect(second).not.toBe(first)
    expect([await statusWith(first), await statusWith(second)]).toEqual([200, 200])
    await page.getByRole('button', { name: 'I have it' }).click()
    await page.getByText(/^Replaced, works until/).waitFor()

    await page.getByRole('button', { name: 'Revoke Nightly import' }).click()
    await page.getByRole('button', { name: 'Revoke the key' }).click()
    await page.getByText('Revoked', { exact: true }).waitFor()
    await expect.poll(() => statusWith(second), { timeout: 10_000 }).toBe(401)
    expect(errors).toEqual([])
    expectBearersOnly(calls)
  })
})

test('whoever is invited joins by the link, gets another role, and is signed out when removed', async () => {
  await withTwo(async (owner, guest) => {
    await signUp(owner.page)
    await open(owner, 'Members')
    const email = newAddress()
    await owner.page.getByRole('button', { name: 'Invite somebody' }).click()
    await owner.page.getByLabel('E-mail address').fill(email)
    await owner.page.getByRole('button', { name: 'Make the invitation' }).click()
    const link = await owner.page.getByRole('dialog').locator('code').innerText()
    await owner.page.getByRole('button', { name: 'I have it' }).click()
    await owner.page.getByRole('button', { name: `Take back the invitation of ${email}` }).waitFor()

    await guest.page.goto(link)
    await guest.page.getByLabel('First name').fill('Grace')
    await guest.page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await guest.page.getByRole('button', { name: 'Join' }).click()
    await guest.page.waitForURL('**/sites')

    await owner.page.reload()
    await owner.page.getByLabel(`Role of ${email}`).selectOption('viewer')
    await expect
      .poll(async () => {
        const { access } = await ask<{ access: string }>('/api/v1/auth/login/', { email, password: PASSWORD })
        return (await ask<{ user: { role: string } }>('/api/v1/auth/me/', undefined, access)).user.role
      })
      .toBe('viewer')
    await owner.page.getByRole('button', { name: `Remove ${email}` }).click()
    await owner.page.getByRole('button', { name: 'Remove', exact: true }).click()
    await owner.page.getByRole('button', { name: `Remove ${email}` }).waitFor({ state: 'detached' })
    expect(owner.errors).toEqual([])

    await guest.page.reload()
    await guest.page.getByRole('heading', { name: 'Welcome back' }).waitFor()
  })
})

test('another sign-in is ended from the list, and a new password keeps this one', async () => {
  await withTwo(async (here, there) => {
    const person = await signUp(here.page)
    await there.page.goto('/login')
    await signIn(there.page, person)
    await there.page.waitForURL('**/sites')

    await open(here, 'Security')
    await here.page.getByText('This one').waitFor()
    await here.page.getByRole('button', { name: /^End the sign-in with/ }).click()
    await here.page.getByRole('button', { name: /^End the sign-in with/ }).waitFor({ state: 'detached' })
    await there.page.reload()
    await there.page.getByRole('heading', { name: 'Welcome back' }).waitFor()

    const next = `${PASSWORD}-2`
    await here.page.getByLabel('Current password').fill(PASSWORD)
    await here.page.getByLabel('New password').fill(next)
    await here.page.getByRole('button', { name: 'Change the password' }).click()
    await here.page.getByText('Your password has been changed').waitFor()
    await here.page.reload()
    await here.page.getByText('This one').waitFor()
    expect(here.errors).toEqual([])

    await signIn(there.page, { ...person, password: next })
    await there.page.waitForURL((address) => address.pathname !== '/login')
  })
})
