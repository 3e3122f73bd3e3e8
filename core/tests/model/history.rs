//! Everything that ever became of an account, as a database keeps it: collected from what books say has changed.

use super::checks::Fault;
use igny8_contract::ids::PlanId;
use igny8_contract::time::Timestamp;
use igny8_core::domain::book::{Book, Change};
use igny8_core::domain::ledger::{Movement, TransactionType};
use igny8_core::domain::payment::ConfirmedPayment;
use igny8_core::domain::period::Period;
use igny8_core::domain::purse::{EndedHold, GrantKey};
use igny8_core::domain::subscription::Subscription;
use std::collections::{BTreeMap, BTreeSet};

/// A subscription with every period that it ever had, and the plan of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub latest: Subscription,
    pub periods: Vec<(Period, PlanId)>,
}

#[derive(Clone, Debug)]
pub struct History {
    pub entries: Vec<(Movement, TransactionType)>,
    /// By number.
    pub subscriptions: BTreeMap<i64, Told>,
    pub grants: BTreeSet<GrantKey>,
    pub payments: Vec<ConfirmedPayment>,
    /// Of every payment that was ever waited for.
    pub references: BTreeSet<String>,
    pub ended_holds: Vec<EndedHold>,
    /// Actions of the audit, and whether nobody of the account's or the house's did them.
    pub audit: Vec<(&'static str, bool)>,
    /// The latest moment that it has come to: the clock may have stepped back since.
    pub furthest: Timestamp,
}

impl History {
    pub fn of_new(book: &Book, now: Timestamp) -> Result<Self, Fault> {
        let mut history = Self {
            entries: Vec::new(),
            subscriptions: BTreeMap::new(),
            grants: BTreeSet::new(),
            payments: Vec::new(),
            references: BTreeSet::new(),
            ended_holds: Vec::new(),
            audit: Vec::new(),
            furthest: now,
        };
        for change in &book.changes {
            history.add(change, book)?;
        }
        history.add_credits(book, 0, 0)?;
        history.see_latest(book);
        Ok(history)
    }

    /// Adds what has happened to a book between two moments of the same transaction.
    /// `by_system` says that it was decided by nobody of the account's or the house's.
    pub fn follow(&mut self, from: &Book, to: &Book, by_system: bool) -> Result<(), Fault> {
        let known = (from.changes.len(), from.purse.journal.entries.len());
        if to.changes.get(..known.0) != Some(&from.changes)
            || to.purse.journal.entries.get(..known.1) != Some(&from.purse.journal.entries)
        {
            return Err("what has happened was rewritten".into());
        }
        for change in &to.changes[known.0..] {
            self.add(change, to)?;
            if let Change::Noted { action, by_time, .. } = change {
                self.audit.push((action, *by_time || by_system));
            }
        }
        self.add_credits(to, known.1, from.purse.journal.buckets.len())?;
        let ended = from.purse.journal.ended_holds.len();
        self.ended_holds.extend(&to.purse.journal.ended_holds[ended..]);
        self.see_latest(to);
        Ok(())
    }

    fn told(&mut self, number: i64) -> Result<&mut Told, Fault> {
        let told = self.subscriptions.get_mut(&number);
        told.ok_or_else(|| format!("subscription {number} was never begun"))
    }

    fn add(&mut self, change: &Change, book: &Book) -> Result<(), Fault> {
        match change {
            Change::SubscriptionBegun(new) => {
                let told = Told {
                    latest: new.clone(),
                    periods: vec![(new.period, new.plan_id)],
                };
                if self.subscriptions.insert(new.number, told).is_some() {
                    return Err(format!("subscription {} began twice", new.number));
                }
            }
            Change::SubscriptionEnded(ended) => self.told(ended.number)?.latest = ended.clone(),
            Change::PeriodClosed { subscription, period } => {
                let last = self.told(*subscription)?.periods.last_mut();
                let (latest, _) = last.ok_or("a subscription without a period")?;
                if (latest.sequence, latest.start) != (period.sequence, period.start) || period.end > latest.end {
                    return Err(format!("{period:?} does not close {latest:?}"));
                }
                *latest = *period;
            }
            Change::PeriodBegun { subscription, period } => {
                // Time changes no plan, and a decision changes it once at most, before the period begins.
                let running = book
                    .subscription
                    .as_ref()
                    .filter(|latest| latest.number == *subscription);
                let plan = running.ok_or("a period of another subscription began")?.plan_id;
                self.told(*subscription)?.periods.push((*period, plan));
            }
            Change::PaymentConfirmed(payment) => self.payments.push(payment.clone()),
            Change::PaymentRequested(pending) => {
                self.references.insert(pending.reference.clone());
            }
            Change::Noted { .. } | Change::PaymentWithdrawn { .. } => {}
        }
        Ok(())
    }

    fn add_credits(&mut self, book: &Book, known_entries: usize, known_buckets: usize) -> Result<(), Fault> {
        let journal = &book.purse.journal;
        for (movement, reason) in &journal.entries[known_entries..] {
            let before = self
                .entries
                .last()
                .map_or((0, 0), |(last, _)| (last.sequence, last.balance_after.0));
            let after = (movement.sequence, movement.balance_after.0);
            if after != (before.0 + 1, before.1 + movement.amount.0) || after.1 < 0 || movement.amount.0 == 0 {
                return Err(format!("{movement:?} does not follow {before:?}"));
            }
            self.entries.push((*movement, reason.transaction_type));
        }
        for bucket in &journal.buckets[known_buckets..] {
            if let Some(key) = bucket.grant
                && !self.grants.insert(key)
            {
                return Err(format!("{key:?} was made twice"));
            }
        }
        Ok(())
    }

    fn see_latest(&mut self, book: &Book) {
        if let Some(latest) = &book.subscription
            && let Some(told) = self.subscriptions.get_mut(&latest.number)
        {
            told.latest = latest.clone();
        }
    }

    /// How many grants a period has had.
    pub fn grants_of(&self, subscription: i64, period: i64) -> usize {
        let of_period = |key: &&GrantKey| (key.subscription, key.period) == (subscription, period);
        self.grants.iter().filter(of_period).count()
    }
}
