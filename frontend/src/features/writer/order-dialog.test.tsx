import { QueryClientProvider } from '@tanstack/react-query'
import { render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { http, HttpResponse } from 'msw'
import { MemoryRouter } from 'react-router'
import { beforeEach, expect, test } from 'vitest'
import { makeQueryClient } from '@/shared/api/queries'
import { sessionStore } from '@/shared/auth'
import { answer, refuse, server } from '@/test/server'
import OrderDialog from './order-dialog'

const hold = {
  id: 5,
  amount: 12,
  status: 'open',
  confirmed_amount: 0,
  description: 'Draft: Straw',
  metadata: {},
  expires_at: '2026-01-01T00:15:00.000000Z',
  created_at: '2026-01-01T00:00:00.000000Z',
}
const draft = {
  id: 9,
  account_id: 1,
  title: 'Straw',
  body: '',
  words: 1150,
  credit_cost: 12,
  created_at: '2026-01-01T00:00:00Z',
}

let asked: string[]
beforeEach(() => {
  asked = []
  server.events.removeAllListeners()
  server.events.on('request:start', ({ request }) => {
    if (request.method === 'POST') asked.push(new URL(request.url).pathname)
  })
  sessionStore.setState({ status: 'signed-in', access: 'token', expiresAt: Date.now() + 300_000 })
  answer('get', '/api/v1/credits/', { success: true, data: { balance: 2000, held: 0, available: 2000 } })
  answer('post', '/api/v1/credits/holds/', { success: true, data: hold })
  answer('post', '/api/v1/credits/holds/{id}/release/', {
    success: true,
    data: { ...hold, status: 'released' },
  })
})

async function order() {
  render(
    <QueryClientProvider client={makeQueryClient()}>
      <MemoryRouter>
        <OrderDialog title="Straw" onClose={() => asked.push('closed')} />
      </MemoryRouter>
    </QueryClientProvider>,
  )
  const words = await screen.findByLabelText('Length in words')
  await userEvent.clear(words)
  await userEvent.type(words, '1150')
  expect(await screen.findByText('12 credits')).toBeInTheDocument()
  await userEvent.click(screen.getByRole('button', { name: 'Order the draft' }))
}

test('credits are set aside first and drawn once the draft is there', async () => {
  answer('post', '/api/v1/writer/drafts/', draft)
  server.use(
    http.post('*/api/v1/credits/holds/:id/confirm/', () =>
      HttpResponse.json({
        success: true,
        data: {
          id: 1,
          transaction_type: 'consumption',
          amount: -12,
          balance_after: 1988,
          description: 'Draft: Straw',
          metadata: {},
          created_at: '2026-01-01T00:00:00.000000Z',
        },
      }),
    ),
  )
  await order()
  await waitFor(() => {
    expect(asked).toContain('closed')
  })
  expect(asked).toEqual([
    '/api/v1/credits/holds/',
    '/api/v1/writer/drafts/',
    '/api/v1/credits/holds/5/confirm/',
    'closed',
  ])
})

test('a draft that cannot be made costs nothing', async () => {
  refuse('post', '/api/v1/writer/drafts/', 502, 'upstream_unreachable')
  await order()
  expect(await screen.findByText('We are not quite there')).toBeInTheDocument()
  expect(asked.at(-1)).toBe('/api/v1/credits/holds/5/release/')
})

test('too few credits are told with a way out, and no draft is made', async () => {
  refuse('post', '/api/v1/credits/holds/', 402, 'insufficient_credits')
  await order()
  expect(await screen.findByText('Not enough credits')).toBeInTheDocument()
  expect(screen.getByRole('link', { name: 'See the plans' })).toHaveAttribute('href', '/account/upgrade')
  expect(asked).toEqual(['/api/v1/credits/holds/'])
})
