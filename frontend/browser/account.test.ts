// What owners do with keys, people and sign-ins, as they see it.
import { expect, inject, test } from 'vitest'
import {
  ask,
  codeOf,
  expectBearersOnly,
  inProfile,
  linksTo,
  newAddress,
  openProfile,
  PASSWORD,
  type Profile,
  signIn,
  signOut,
  signUp,
  url,
} from './browser'
import { look } from './look'

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

test('an address is confirmed by the mail, which is sent again for the asking', async () => {
  await inProfile(async (profile) => {
    const { page, context, errors } = profile
    const { email } = await signUp(page)
    await open(profile, 'Security')
    await page.getByText('Not confirmed').waitFor()
    const links = () => linksTo(email, '/verify-email')
    await expect.poll(() => links().length, { timeout: 15_000 }).toBe(1)
    await page.getByRole('button', { name: 'Send the mail again' }).click()
    await page.getByText('Another mail is on its way').waitFor()
    await expect.poll(() => links().length, { timeout: 15_000 }).toBe(2)

    const mail = await context.newPage()
    await mail.goto(links().at(-1) ?? '')
    await mail.getByRole('button', { name: 'Confirm my address' }).click()
    await mail.getByText('Your e-mail address is confirmed.').waitFor()
    await page.reload()
    await page.getByText('Confirmed', { exact: true }).waitFor()
    expect(await page.getByRole('button', { name: 'Send the mail again' }).count()).toBe(0)
    expect(errors).toEqual([])
  })
})

test('a forgotten password is chosen anew by the mail, and the old one is worth nothing', async () => {
  await inProfile(async ({ page, errors }) => {
    const person = await signUp(page)
    await signOut(page)
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await page.getByRole('heading', { name: 'Reset your password' }).waitFor()
    await page.getByLabel('E-mail address').fill(person.email)
    await page.getByRole('button', { name: 'Send the link' }).click()
    await page.getByText('Please look into your mailbox').waitFor()
    const links = () => linksTo(person.email, '/reset-password')
    await expect.poll(() => links().length, { timeout: 15_000 }).toBe(1)
    await page.goto(links()[0] ?? '')
    const next = `${PASSWORD}-anew`
    await page.getByLabel('New password').fill(next)
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('Your password has been changed').waitFor()
    expect(errors).toEqual([])
    await page.getByRole('link', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor()
    await signIn(page, person)
    await page.getByText('That did not match').waitFor()
    await signIn(page, { ...person, password: next })
    await page.waitForURL('**/sites')
  })
})

test('staff switch a second factor on with a picture made here, sign in with its codes, and switch it off', async () => {
  const { staff } = inject('demo')
  await inProfile(async ({ page, errors }) => {
    await page.goto('/account/security')
    await signIn(page, staff)
    await page.getByRole('button', { name: 'Set it up' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Your password').fill('not-the-password-1')
    await dialog.getByRole('button', { name: 'Go on' }).click()
    await dialog.getByText('That did not match').waitFor()
    await dialog.getByLabel('Your password').fill(staff.password)
    await dialog.getByRole('button', { name: 'Go on' }).click()
    await dialog.getByRole('img', { name: 'The secret, to be scanned' }).waitFor()
    const findings = await look(page, '/account/security/enrol', 'desktop-light')
    const secret = await dialog.locator('code').innerText()
    await dialog.getByLabel('Code').fill('000000')
    await dialog.getByRole('button', { name: 'Switch it on' }).click()
    await dialog.getByText('That code did not work').waitFor()
    await dialog.getByLabel('Code').fill(codeOf(secret))
    await dialog.getByRole('button', { name: 'Switch it on' }).click()
    await page.getByText('Keep these recovery codes now').waitFor()
    findings.push(...(await look(page, '/account/security/codes', 'desktop-light')))
    const recovery = (await dialog.locator('code').innerText()).split(/\s+/)
    await dialog.getByRole('button', { name: 'I have them' }).click()
    try {
      await page.getByText(`${String(recovery.length)} recovery codes left`).waitFor()
      expect(await page.locator('body').innerText(), 'shown once').not.toContain(secret)

      await signOut(page)
      await page.goto('/login?next=/account/security')
      await signIn(page, staff)
      await page.getByLabel('Code').fill(codeOf(secret, 1))
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Switch it off' }).click()
      await dialog.getByLabel('Code').waitFor()
      findings.push(...(await look(page, '/account/security/off', 'desktop-light')))
    } finally {
      // The other tests' staff sign in by password alone.
      if (!(await dialog.isVisible())) await page.getByRole('button', { name: 'Switch it off' }).click()
      await dialog.getByLabel('Code').fill(recovery[0] ?? '')
      await dialog.getByRole('button', { name: 'Switch it off' }).click()
    }
    await page.getByText('Signing in asks for your password alone').waitFor()
    expect(findings).toEqual([])
    // What was refused on the way is all that the console tells of.
    expect(errors.filter((error) => !error.includes('status of 401'))).toEqual([])
  })
})
