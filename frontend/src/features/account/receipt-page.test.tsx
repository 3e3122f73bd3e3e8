import { QueryClientProvider } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import { MemoryRouter, Route, Routes } from 'react-router'
import { beforeEach, expect, test } from 'vitest'
import { makeQueryClient } from '@/shared/api/queries'
import { sessionStore } from '@/shared/auth'
import { answer } from '@/test/server'
import { Component as ReceiptPage } from './receipt-page'

const receipt = {
  number: 7,
  name: 'R-000007',
  seller: '',
  account_name: 'Field notes',
  payer_name: 'Ada Lovelace',
  plan_name: 'Starter',
  amount: '29.99',
  currency: 'USD',
  method: 'bank_transfer',
  external_payment_id: 'BT-1',
  period_start: '2026-01-01T00:00:00.000000Z',
  period_end: '2026-01-31T00:00:00.000000Z',
  issued_at: '2026-01-01T00:00:00.000000Z',
}

beforeEach(() => {
  sessionStore.setState({ status: 'signed-in', access: 'token', expiresAt: Date.now() + 300_000 })
})

async function show(seller: string) {
  answer('get', '/api/v1/account/receipts/{number}/', { success: true, data: { ...receipt, seller } })
  render(
    <QueryClientProvider client={makeQueryClient()}>
      <MemoryRouter initialEntries={['/account/receipts/7']}>
        <Routes>
          <Route path="/account/receipts/:number" element={<ReceiptPage />} />
        </Routes>
      </MemoryRouter>
    </QueryClientProvider>,
  )
  await screen.findByRole('heading', { name: 'Receipt R-000007' })
}

test('a receipt shows who issued it, line by line and as text', async () => {
  const seller = 'Igny8 <b>Ltd</b>\n1 High Street\nVAT GB1'
  await show(seller)
  const shown = screen.getByText(/VAT GB1/)
  expect(shown.textContent).toBe(seller)
  expect(shown).toHaveClass('whitespace-pre-line')
})

test('a receipt that names nobody shows no empty line for it', async () => {
  await show('')
  expect(document.querySelector('.whitespace-pre-line')).toBeNull()
})
