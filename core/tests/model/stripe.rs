//! Stripe as stories have it: what it tells, event by event, and the reference's own inbox for it.

use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use igny8_core::domain::payment::PendingPayment;
use igny8_core::domain::stripe::decision::{Link, Outcome};
use igny8_core::domain::stripe::{Checkout, Event, Fact, Payment};
use std::collections::BTreeMap;

/// A subscription at Stripe.
#[derive(Clone, Debug)]
struct AtStripe {
    name: String,
    amount_minor: i64,
    invoices: usize,
}

/// Stripe's side: subscriptions, and the events that it has made of them.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    subscriptions: Vec<AtStripe>,
    events: Vec<Event>,
    /// Which of them have not been told yet.
    untold: Vec<usize>,
}

impl Provider {
    fn happened(&mut self, kind: &str, fact: Fact, now: Timestamp) {
        let event = Event {
            id: format!("evt-{:04}", self.events.len()),
            kind: kind.into(),
            // Stripe says when in whole seconds.
            occurred_at: Some(Timestamp(now.0.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND)),
            fact,
        };
        self.untold.push(self.events.len());
        self.events.push(event);
    }

    /// Somebody pays at the checkout: a subscription begins, and its first invoice is paid.
    pub fn checkout(&mut self, pending: &PendingPayment, says_paid: bool, now: Timestamp) {
        let name = format!("sub-{}", self.subscriptions.len());
        let first = payment(format!("{name}-in-1"), pending.amount_minor);
        let checkout = Fact::Checkout(Checkout {
            reference: Some(pending.reference.clone()),
            subscription: Some(name.clone()),
            payment: says_paid.then(|| first.clone()),
        });
        self.happened("checkout.session.completed", checkout, now);
        let subscription = name.clone();
        let paid = Fact::InvoicePaid {
            subscription,
            payment: first,
        };
        self.happened("invoice.paid", paid, now);
        self.subscriptions.push(AtStripe {
            name,
            amount_minor: pending.amount_minor,
            invoices: 1,
        });
    }

    /// The subscription that was begun `earlier` before the last is paid once more, or an attempt to has failed.
    pub fn invoice(&mut self, earlier: usize, more: i64, paid: bool, now: Timestamp) {
        let Some(subscription) = self.subscriptions.iter_mut().rev().nth(earlier) else {
            return;
        };
        subscription.invoices += 1;
        let name = format!("{}-in-{}", subscription.name, subscription.invoices);
        let payment = payment(name, subscription.amount_minor + more);
        let subscription = subscription.name.clone();
        if paid {
            self.happened("invoice.paid", Fact::InvoicePaid { subscription, payment }, now);
        } else {
            self.happened(
                "invoice.payment_failed",
                Fact::InvoiceFailed { subscription, payment },
                now,
            );
        }
    }

    pub fn cancels(&mut self, earlier: usize, cancels: bool, now: Timestamp) {
        let Some(subscription) = self.named(earlier) else {
            return;
        };
        self.happened(
            "customer.subscription.updated",
            Fact::CancelChanged { subscription, cancels },
            now,
        );
    }

    pub fn ends(&mut self, earlier: usize, now: Timestamp) {
        let Some(subscription) = self.named(earlier) else {
            return;
        };
        self.happened("customer.subscription.deleted", Fact::Deleted { subscription }, now);
    }

    fn named(&self, earlier: usize) -> Option<String> {
        self.subscriptions
            .iter()
            .rev()
            .nth(earlier)
            .map(|subscription| subscription.name.clone())
    }

    /// The next event that has not been told, after those that are `skipped` for now.
    pub fn tell(&mut self, skipped: usize) -> Option<Event> {
        let index = skipped.min(self.untold.len().checked_sub(1)?);
        self.events.get(self.untold.remove(index)).cloned()
    }

    /// An event once more, whether it was told or not.
    pub fn tell_again(&self, earlier: usize) -> Option<Event> {
        self.events.iter().rev().nth(earlier).cloned()
    }
}

fn payment(external_id: String, amount_minor: i64) -> Payment {
    Payment {
        external_id,
        amount_minor,
        currency: "USD".into(),
        payer_name: "A Payer".into(),
    }
}

/// What is known of a subscription of Stripe's.
#[derive(Clone, Debug, Default)]
pub struct Linked {
    /// The story's account of this index.
    pub account: Option<usize>,
    pub link: Link,
}

/// An event that has come, and what has become of it.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Timestamp,
    pub event: Event,
    pub outcome: Outcome,
}

/// What has come from Stripe.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    pub links: BTreeMap<String, Linked>,
    /// In the order in which they came.
    pub received: Vec<Received>,
}

impl Inbox {
    /// What has become of an event that has come before.
    pub fn outcome(&self, id: &str) -> Option<Outcome> {
        let found = self.received.iter().find(|received| received.event.id == id);
        found.map(|received| received.outcome)
    }

    /// What waits for the first payment of a subscription, in the order in which it happened at Stripe: places in
    /// [`Inbox::received`].
    pub fn waiting(&self, subscription: &str) -> Vec<usize> {
        let waits = |index: &usize| {
            let received = &self.received[*index];
            received.outcome == Outcome::Waiting && received.event.fact.subscription() == Some(subscription)
        };
        let mut waiting: Vec<usize> = (0..self.received.len()).filter(waits).collect();
        // Of what happened in one second and came in one moment the identifier decides, as good as any other order.
        let rank = |index: &usize| {
            let Received { at, event, .. } = &self.received[*index];
            (event.occurred_at.unwrap_or(*at), *at, event.id.clone())
        };
        waiting.sort_by_key(rank);
        waiting
    }
}
