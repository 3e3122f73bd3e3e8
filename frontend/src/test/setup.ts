import '@testing-library/jest-dom/vitest'
import { cleanup, configure } from '@testing-library/react'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { server } from './server'

// Parts that come when they are needed take their time on a busy machine.
configure({ asyncUtilTimeout: 15_000 })

beforeAll(() => {
  // What a test did not expect to be asked is a failure, not a network call.
  server.listen({ onUnhandledRequest: 'error' })
})
afterEach(() => {
  cleanup()
  server.resetHandlers()
  if (typeof window !== 'undefined') window.localStorage.clear()
})
afterAll(() => {
  server.close()
})
