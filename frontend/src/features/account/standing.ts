// What an account's standing means, in words. What is allowed is the server's to decide; this only tells.
import type { Account, Subscription } from '@/shared/auth'
import type { Tone } from '@/shared/ui/surface'

export interface StandingWords {
  label: string
  tone: Tone
  sentence: string
}

export function inWords(account: Account, subscription: Subscription | undefined): StandingWords {
  switch (account.status) {
    case 'trial':
      return { label: 'Trial', tone: 'note', sentence: 'You can use everything until the trial ends.' }
    case 'active':
      return subscription?.cancel_at_period_end
        ? {
            label: 'Ending',
            tone: 'warn',
            sentence: 'You can use everything until the period ends. Then it is over.',
          }
        : { label: 'Active', tone: 'good', sentence: 'Everything is paid and in order.' }
    case 'past_due':
      return {
        label: 'Payment overdue',
        tone: 'warn',
        sentence: 'You can go on for a few days. Please pay soon.',
      }
    case 'pending_payment':
      return {
        label: 'Waiting for payment',
        tone: 'note',
        sentence: 'Work goes on once your payment has arrived.',
      }
    case 'suspended':
      return suspended(account.suspend_reason ?? null)
    case 'cancelled':
      return { label: 'Cancelled', tone: 'bad', sentence: 'This account has been cancelled.' }
    default:
      return { label: account.status, tone: 'plain', sentence: '' }
  }
}

function suspended(reason: string | null): StandingWords {
  if (reason === 'trial_ended') {
    return {
      label: 'Trial ended',
      tone: 'warn',
      sentence: 'You can read everything. Choose a plan to go on working.',
    }
  }
  if (reason === 'payment_overdue') {
    return {
      label: 'Payment overdue',
      tone: 'bad',
      sentence: 'You can read everything. Pay to go on working.',
    }
  }
  return { label: 'Suspended', tone: 'bad', sentence: 'Please contact us.' }
}
