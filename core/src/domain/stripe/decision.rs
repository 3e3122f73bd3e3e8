//! What an account's book makes of what Stripe tells, in whatever order it is told.
//!
//! The first payment is that of the pending payment whose reference the checkout carried; from then on the account's
//! subscription bears the name of Stripe's, and what is told under that name concerns it, and nothing else does. What
//! comes before the first payment waits for it. What comes after the account's subscription has ended, or is paid
//! otherwise, changes nothing any more: money that comes then is written into the audit for people to see to.

use super::{Checkout, Fact, Payment};
use crate::domain::billing::{Confirmation, LateMode};
use crate::domain::book::{Book, Facts, Rules};
use crate::domain::subscription::{PaymentMethod, Subscription};
use igny8_contract::ids::PlanId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::json;

/// What is known of a subscription of Stripe's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Nothing for a single payment.
    pub subscription: Option<String>,
    /// The pending payment that its checkout was for.
    pub reference: Option<String>,
    /// When what was last taken over of its cancelling happened at Stripe.
    pub mirrored_at: Option<Timestamp>,
}

/// What has become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has taken effect.
    Applied,
    /// A checkout whose money comes later: it is known now whose subscription it is.
    Linked,
    /// It takes effect once the first payment has come.
    Waiting,
    /// It is so already, or concerns what has ended.
    Unchanged,
    /// Something that happened after it has taken effect before it.
    Stale,
    /// Written into the audit; nothing follows from it.
    Noted,
    /// The money is not what was to come; nothing was applied.
    AmountMismatch,
    /// A checkout for no payment of ours.
    UnknownReference,
    /// Money that nobody waits for; nothing was applied.
    Unexpected,
    /// Nothing that concerns us.
    Ignored,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 10] = [
        Self::Applied,
        Self::Linked,
        Self::Waiting,
        Self::Unchanged,
        Self::Stale,
        Self::Noted,
        Self::AmountMismatch,
        Self::UnknownReference,
        Self::Unexpected,
        Self::Ignored,
    ];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Linked => "linked",
            Self::Waiting => "waiting",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
            Self::Noted => "noted",
            Self::AmountMismatch => "amount_mismatch",
            Self::UnknownReference => "unknown_reference",
            Self::Unexpected => "unexpected",
            Self::Ignored => "ignored",
        }
    }

    /// The outcome of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// What is told, and what the book itself cannot know of it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub fact: &'a Fact,
    /// When it happened at Stripe.
    pub occurred_at: Timestamp,
    /// Whether its payment was confirmed before.
    pub is_known: bool,
}

/// What a payment is for, and what it must come to.
struct Due {
    /// Whether it settles the pending payment.
    settles: bool,
    plan_id: PlanId,
    amount_minor: i64,
    currency: String,
}

impl Book {
    /// Takes in what Stripe tells of this account's payments.
    ///
    /// # Errors
    /// None that a well-formed book can meet.
    pub fn hear(
        &mut self,
        rules: &Rules<'_>,
        link: &mut Link,
        told: Told<'_>,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        match told.fact {
            Fact::Nothing => Ok(Outcome::Ignored),
            Fact::Checkout(Checkout { payment: None, .. }) => Ok(Outcome::Linked),
            Fact::Checkout(Checkout {
                payment: Some(payment), ..
            })
            | Fact::InvoicePaid { payment, .. } => {
                if told.is_known {
                    return Ok(Outcome::Unchanged);
                }
                self.take_payment(rules, link, payment, now)
            }
            Fact::InvoiceFailed { payment, .. } => {
                self.note("payment.failed", detail(link, payment), &Facts::of(self));
                Ok(Outcome::Noted)
            }
            Fact::CancelChanged { cancels, .. } => self.mirror(link, *cancels, told.occurred_at),
            Fact::Deleted { .. } => self.end_paid_by(link, now),
        }
    }

    /// Whether the first payment of this link is still to come.
    fn awaits(&self, link: &Link) -> bool {
        let pending = self.pending.as_ref().map(|pending| &pending.reference);
        pending.is_some() && pending == link.reference.as_ref()
    }

    /// The running subscription, where Stripe's subscription of this link pays it.
    fn paid_by(&mut self, link: &Link) -> Option<&mut Subscription> {
        let is_ours = |running: &&mut Subscription| {
            running.stripe_subscription_id.is_some() && running.stripe_subscription_id == link.subscription
        };
        self.running().ok().filter(is_ours)
    }

    fn due_by(&mut self, rules: &Rules<'_>, link: &Link) -> Result<Option<Due>, Refusal> {
        if self.awaits(link) {
            return Ok(self.pending.as_ref().map(|pending| Due {
                settles: true,
                plan_id: pending.plan_id,
                amount_minor: pending.amount_minor,
                currency: pending.currency.clone(),
            }));
        }
        let Some(running) = self.paid_by(link) else {
            return Ok(None);
        };
        let plan = rules.plan(running.plan_id)?;
        Ok(Some(Due {
            settles: false,
            plan_id: plan.id,
            amount_minor: plan.terms.price_minor,
            currency: plan.terms.currency.clone(),
        }))
    }

    fn take_payment(
        &mut self,
        rules: &Rules<'_>,
        link: &Link,
        payment: &Payment,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let Some(due) = self.due_by(rules, link)? else {
            self.note("payment.unexpected", detail(link, payment), &Facts::of(self));
            return Ok(Outcome::Unexpected);
        };
        let fits = payment.amount_minor == due.amount_minor && payment.currency.eq_ignore_ascii_case(&due.currency);
        if payment.amount_minor <= 0 || !fits {
            let mut detail = detail(link, payment);
            detail["expected_minor"] = json!(due.amount_minor);
            detail["expected_currency"] = json!(due.currency);
            self.note("payment.mismatch", detail, &Facts::of(self));
            return Ok(Outcome::AmountMismatch);
        }
        self.confirm_due(rules, link, payment, &due, now)?;
        Ok(Outcome::Applied)
    }

    fn confirm_due(
        &mut self,
        rules: &Rules<'_>,
        link: &Link,
        payment: &Payment,
        due: &Due,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        // A renewal leaves alone an upgrade that waits for its own payment.
        let aside = if due.settles { None } else { self.pending.take() };
        // Taken off first: where another subscription begins, the one that ends must not keep the name.
        let mut name = None;
        if let Ok(running) = self.running() {
            let same_plan = running.plan_id == due.plan_id;
            name = running.stripe_subscription_id.take().filter(|_| same_plan);
        }
        let confirmation = Confirmation {
            method: PaymentMethod::Stripe,
            external_id: payment.external_id.clone(),
            amount_minor: payment.amount_minor,
            payer_name: payment.payer_name.clone(),
            override_reason: None,
            confirmed_by: None,
            plan: Some(rules.plan(due.plan_id)?.clone()),
            mode: Some(LateMode::Restart),
        };
        self.confirm(rules, confirmation, now)?;
        self.running()?.stripe_subscription_id = link.subscription.clone().or(name);
        self.pending = self.pending.take().or(aside);
        Ok(())
    }

    fn mirror(&mut self, link: &mut Link, cancels: bool, occurred_at: Timestamp) -> Result<Outcome, Refusal> {
        if self.awaits(link) {
            return Ok(Outcome::Waiting);
        }
        let Some(running) = self.paid_by(link) else {
            return Ok(Outcome::Unchanged);
        };
        if link.mirrored_at.is_some_and(|last| last > occurred_at) {
            return Ok(Outcome::Stale);
        }
        link.mirrored_at = Some(occurred_at);
        if running.cancel_at_period_end == cancels {
            return Ok(Outcome::Unchanged);
        }
        self.cancel_at_period_end(cancels)?;
        Ok(Outcome::Applied)
    }

    /// Stripe's subscription has ended: so has the account's, unless its running period was paid otherwise.
    fn end_paid_by(&mut self, link: &Link, now: Timestamp) -> Result<Outcome, Refusal> {
        if self.awaits(link) {
            return Ok(Outcome::Waiting);
        }
        let Some(running) = self.paid_by(link) else {
            return Ok(Outcome::Unchanged);
        };
        if running.payment_method == PaymentMethod::Stripe {
            self.terminate(now)?;
        } else {
            running.stripe_subscription_id = None;
            let detail = json!({
                "subscription": running.number,
                "stripe_subscription_id": {"before": link.subscription, "after": null},
            });
            self.note("subscription.unlinked", detail, &Facts::of(self));
        }
        Ok(Outcome::Applied)
    }
}

fn detail(link: &Link, payment: &Payment) -> serde_json::Value {
    json!({
        "method": PaymentMethod::Stripe.as_str(), "external_payment_id": payment.external_id,
        "amount_minor": payment.amount_minor, "currency": payment.currency, "payer_name": payment.payer_name,
        "stripe_subscription_id": link.subscription, "reference": link.reference,
    })
}

#[cfg(test)]
mod tests;
