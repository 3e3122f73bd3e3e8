// The browser tests: a real Chromium, through the real proxy, core and example app. They run twice: with the app's panel at
// /admin, and, those that are about a panel, with IGNY8_ADMIN=core.
import { defineConfig } from 'vitest/config'

const panel = 'browser/panel.test.ts'
const isCorePanel = process.env.IGNY8_ADMIN === 'core'

export default defineConfig({
  test: {
    include: isCorePanel ? [panel, 'browser/isolation.test.ts'] : ['browser/**/*.test.ts'],
    exclude: isCorePanel ? [] : [panel],
    globalSetup: ['browser/stack.ts'],
    // One stack and two processors: files one after the other.
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
})
