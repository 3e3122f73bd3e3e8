// The two panels that can be at /admin, as whoever signs in there sees them.
import type { Page } from 'playwright-core'
import { inject } from 'vitest'
import { panelOfCore } from './browser'

export interface Panel {
  signIn: (page: Page) => Promise<void>
  /** Waits for something that is there while somebody is signed in. */
  isIn: (page: Page) => Promise<void>
  /** Waits for the panel to ask who one is. */
  asks: (page: Page) => Promise<void>
}

const core: Panel = {
  signIn: async (page) => {
    const { email, password } = inject('demo').staff
    await page.goto('/admin/')
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Accounts' }).waitFor()
  },
  isIn: (page) => page.getByRole('navigation', { name: 'Panel' }).waitFor(),
  asks: (page) => page.getByRole('heading', { name: 'Sign in' }).waitFor(),
}

const django: Panel = {
  signIn: async (page) => {
    const { username, password } = inject('demo').app_admin ?? { username: '', password: '' }
    await page.goto('/admin/login/')
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('Site administration').waitFor()
  },
  isIn: (page) => page.getByText('Site administration').waitFor(),
  asks: (page) => page.getByLabel('Username').waitFor(),
}

export const panel = panelOfCore ? core : django
