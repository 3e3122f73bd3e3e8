//! What stories have met, so that a test which meets nothing does not pass.

use super::story::Step;
use super::world::Outcome;
use igny8_core::domain::book::Book;
use std::collections::BTreeMap;
use std::fmt;

/// How often each step was done or refused, and in which state it found or left its account.
#[derive(Default)]
pub struct Coverage {
    outcomes: BTreeMap<(String, &'static str), u64>,
    states: BTreeMap<String, u64>,
}

/// What must be met, often enough: a step and what comes of it.
const EXPECTED: [(&str, &str); 48] = [
    ("Upgrade", "done"),
    ("Upgrade", "plan_required"),
    ("Upgrade", "enterprise_needs_staff"),
    ("Confirm", "done"),
    ("Confirm", "amount_mismatch"),
    ("Confirm", "plan_required"),
    ("Confirm", "renewal_mode_required"),
    ("ConfirmAgain", "done"),
    ("ConfirmUnderEarlierName", "done"),
    ("ConfirmUnderEarlierName", "payment_conflict"),
    ("Renew", "done"),
    ("Renew", "not_renewable"),
    ("Renew", "renewal_mode_required"),
    ("Renew", "subscription_ended"),
    ("Consume", "done"),
    ("Consume", "insufficient_credits"),
    ("Consume", "trial_ended"),
    ("Consume", "payment_required"),
    ("Consume", "account_suspended"),
    ("Consume", "account_cancelled"),
    ("Hold", "done"),
    ("Hold", "insufficient_credits"),
    ("Hold", "trial_ended"),
    ("ConfirmHold", "done"),
    ("ConfirmHold", "hold_ended"),
    ("ConfirmHold", "insufficient_credits"),
    ("ReleaseHold", "done"),
    ("ReleaseHold", "hold_ended"),
    ("Cancel", "done"),
    ("Cancel", "subscription_ended"),
    ("Undo", "done"),
    ("AssignPlan", "done"),
    ("AssignPlan", "plan_required"),
    ("AssignPlan", "paid_plan_needs_payment"),
    ("Bonus", "done"),
    ("TakeCredits", "done"),
    ("TakeCredits", "insufficient_credits"),
    ("Reinstate", "done"),
    ("StripeTells", "applied"),
    ("StripeTells", "linked"),
    ("StripeTells", "waiting"),
    ("StripeTells", "unchanged"),
    ("StripeTells", "stale"),
    ("StripeTells", "noted"),
    ("StripeTells", "amount_mismatch"),
    ("StripeTells", "unexpected"),
    ("StripeTellsAgain", "applied"),
    ("StripeTellsAgain", "unchanged"),
];

impl Coverage {
    pub fn see(&mut self, step: &Step, outcome: Outcome, book: Option<&Book>) {
        let named = format!("{step:?}");
        let name = named.split([' ', '(']).next().unwrap_or_default().to_owned();
        let outcome = outcome.unwrap_or_else(igny8_contract::refusal::Refusal::code);
        *self.outcomes.entry((name, outcome)).or_default() += 1;
        let Some(book) = book else { return };
        let latest = book.subscription.as_ref().map(|latest| latest.status);
        let waited_for = if book.pending.is_some() {
            ", a payment is waited for"
        } else {
            ""
        };
        let state = format!("{:?} {:?} {latest:?}{waited_for}", book.status, book.suspend_reason);
        *self.states.entry(state).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        for (key, count) in other.outcomes {
            *self.outcomes.entry(key).or_default() += count;
        }
        for (key, count) in other.states {
            *self.states.entry(key).or_default() += count;
        }
    }

    /// Checks that everything expected was met at least ten times.
    pub fn is_wide(&self) {
        for (name, outcome) in EXPECTED {
            let met = self.outcomes.get(&(name.to_owned(), outcome)).copied().unwrap_or(0);
            assert!(met >= 10, "{name} came to {outcome} {met} times only");
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, outcome), count) in &self.outcomes {
            writeln!(f, "{count:8} {name}: {outcome}")?;
        }
        self.states
            .iter()
            .try_for_each(|(state, count)| writeln!(f, "{count:8} {state}"))
    }
}
