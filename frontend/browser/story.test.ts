// The way of a new person through the app, and of an upgrade, as they see it.
import { expect, inject, test } from 'vitest'
import { ask, expectBearersOnly, inProfile, newAddress, PASSWORD, signUp, tabTo, tokenOf } from './browser'

test('signing up names the plan, judges the password while it is typed, and says no to a weak one', async () => {
  await inProfile(async ({ page, errors }) => {
    await page.goto('/signup')
    await page.getByText('On the plan Free Trial').waitFor()
    await page.getByLabel('E-mail address').fill(newAddress())
    const password = page.getByLabel('Password', { exact: true })
    await password.fill('password1')
    await page.getByText('This password is very weak').waitFor()
    await page.getByRole('button', { name: 'Start the free trial' }).click()
    await password.and(page.locator('[aria-invalid="true"]')).waitFor()
    expect(new URL(page.url()).pathname).toBe('/signup')
    await password.fill(PASSWORD)
    await page.getByText('This password is very strong').waitFor()
    await page.getByRole('button', { name: 'Start the free trial' }).click()
    await page.waitForURL('**/sites')
    // The password that was refused is all that the console tells of.
    expect(errors.filter((error) => !/status of (400|422)/.test(error))).toEqual([])
  })
})

test('whoever signs up lands on their sites with 2,000 credits, and everything works at once', async () => {
  await inProfile(async ({ page, calls, errors }) => {
    await signUp(page)
    await page.getByRole('link', { name: '2,000 credits' }).waitFor()
    await page.getByText('You have 2,000 credits to write with.').waitFor()

    await page.getByRole('button', { name: 'Add a site' }).click()
    await page.getByLabel('Name').fill('Field notes')
    await page.getByLabel('Domain').fill('notes.example.com')
    await page.getByRole('button', { name: 'Add the site' }).click()
    await page.getByRole('heading', { name: 'Field notes' }).waitFor()

    await page.getByRole('link', { name: 'Clusters' }).click()
    await page.getByRole('button', { name: 'Add a cluster' }).click()
    await page.getByLabel('Name').fill('Mulching tomatoes')
    await page.getByRole('dialog').getByRole('button', { name: 'Add the cluster' }).click()
    await page.getByRole('heading', { name: 'Mulching tomatoes' }).waitFor()

    await page.getByRole('link', { name: 'Keywords', exact: true }).click()
    await page.getByRole('button', { name: 'Add a keyword' }).click()
    await page.getByRole('dialog').getByLabel('Keyword').fill('when to mulch tomatoes')
    await page.getByLabel('Searches a month').fill('2400')
    await page.getByLabel('Difficulty, %').fill('31')
    await page.getByRole('dialog').getByLabel('Cluster').selectOption({ label: 'Mulching tomatoes' })
    await page.getByRole('button', { name: 'Add the keyword' }).click()
    await page.getByRole('cell', { name: 'when to mulch tomatoes', exact: true }).waitFor()

    await page.getByRole('link', { name: 'Drafts' }).click()
    await page.getByRole('button', { name: 'Order a draft' }).click()
    await page.getByLabel('Title').fill('Straw, bark or leaves?')
    await page.getByLabel('Length in words').fill('1150')
    await page.getByText('Costs 12 credits').waitFor()
    await page.getByRole('button', { name: 'Order the draft' }).click()

    await page.waitForURL('**/writer/queue')
    await page.getByRole('link', { name: '1,988 credits' }).waitFor()
    await page.getByRole('link', { name: /Straw, bark or leaves/ }).click()
    await page.getByLabel('Text').fill('Wait until the soil is warm.')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Queue' }).click()
    await page.getByText('Nothing is waiting').waitFor()

    await page.getByRole('link', { name: '1,988 credits' }).click()
    await page.getByRole('cell', { name: /Draft: Straw, bark or leaves/ }).waitFor()
    await page.getByRole('cell', { name: /Initial credits from Free Trial/ }).waitFor()
    expect(errors).toEqual([])
    expectBearersOnly(calls)
  })
})

test('an upgrade waits for staff, and the page turns active by itself when they confirm', async () => {
  const { staff } = inject('demo')
  await inProfile(async ({ page, errors }) => {
    const person = await signUp(page)
    await page.getByRole('link', { name: 'Account', exact: true }).click()
    await page.getByText('14 days left').waitFor()
    await page.getByRole('link', { name: 'Choose a plan' }).click()
    await page.getByRole('button', { name: 'Choose Growth' }).click()
    await page.getByText('Write this reference on the transfer').waitFor()
    await page.getByText('This page turns by itself').waitFor()
    const reference = await page.locator('code').innerText()

    const token = await tokenOf(staff)
    const pending = await ask<{ items: { account_id: number; reference: string; amount: string }[] }>(
      '/api/v1/billing/pending/?limit=200',
      undefined,
      token,
    )
    const waiting = pending.items.find((item) => item.reference === reference)
    expect(waiting, `${reference} of ${person.email} is not pending`).toBeDefined()
    await ask(
      '/api/v1/billing/confirm-bank-transfer/',
      {
        account_id: waiting?.account_id,
        external_payment_id: `BT-${crypto.randomUUID()}`,
        amount: waiting?.amount,
        payer_name: 'Ada Lovelace',
      },
      token,
    )

    await page.getByRole('heading', { name: 'Growth is active' }).waitFor()
    await page.getByRole('link', { name: '20,000 credits' }).waitFor()
    await page.getByRole('link', { name: 'See the receipt' }).click()
    await page.getByText('$79.99').waitFor()
    // On paper nothing stands beside it, and nothing is left room for.
    const width = async () => (await page.getByRole('main').boundingBox())?.width ?? 0
    const onScreen = await width()
    await page.emulateMedia({ media: 'print' })
    expect(await width()).toBeGreaterThan(onScreen)
    await page.emulateMedia({ media: 'screen' })
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByText('30 days left').waitFor()
    await page.getByText('Everything is paid and in order.').waitFor()
    expect(errors).toEqual([])
  })
})

test('a page that is loaded anew finds who is signed in', async () => {
  await inProfile(async ({ page, calls, errors }) => {
    await signUp(page)
    await page.reload()
    await page.getByRole('link', { name: '2,000 credits' }).waitFor()
    expect(errors).toEqual([])
    expectBearersOnly(calls)
  })
})

test('the keyboard is enough to sign up, add a site and leave a dialog', async () => {
  await inProfile(async ({ page, errors }) => {
    const { keyboard } = page
    await page.goto('/signup')
    await tabTo(page, page.getByLabel('E-mail address'))
    await keyboard.type(newAddress())
    await tabTo(page, page.getByLabel('Password', { exact: true }))
    await keyboard.type(PASSWORD)
    await keyboard.press('Enter')
    await page.waitForURL('**/sites')

    const add = page.getByRole('button', { name: 'Add a site' })
    await tabTo(page, add)
    await keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    // The focus is where it was.
    await page.locator(':focus').and(add).waitFor()
    await keyboard.press('Enter')
    await tabTo(page, page.getByLabel('Name'))
    await keyboard.type('Field notes')
    await tabTo(page, page.getByLabel('Domain'))
    await keyboard.type('notes.example.com')
    await keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Field notes' }).waitFor()

    await tabTo(page, page.getByRole('link', { name: 'Account', exact: true }))
    await keyboard.press('Enter')
    await page.waitForURL('**/account')
    expect(errors).toEqual([])
  })
})
