//! An account's book: its credits, its subscription and its pending payment, and what time alone does to them.
//!
//! Everything that changes money, credits or subscriptions works on a whole book: loaded under a lock, brought up to the
//! present with [`Book::pass_time`], changed by one decision (see `billing`), and stored with what [`Book::changes`] and
//! the purse say has happened. An operation that is refused leaves a book that must be thrown away.

mod facts;

pub use facts::Facts;

use super::account::{AccountKind, NewAccount};
use super::cycle::{grant_due, grants_of};
use super::ledger::TransactionType;
use super::payment::{ConfirmedPayment, PendingPayment};
use super::period::Period;
use super::plan::Plan;
use super::purse::{GrantKey, Purse, Reason};
use super::subscription::{Event, PaymentMethod, Subscription, SubscriptionStatus};
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use serde_json::{Value, json};

/// How many steps of time one call takes at most; the rest is done by the next call.
const MAX_STEPS: usize = 1000;

/// What decisions go by: the catalogue and the terms of the house.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub plans: &'a [Plan],
    /// Days that an ended trial goes on.
    pub trial_grace_days: i64,
    /// Days that a subscription goes on although its renewal was missed.
    pub past_due_grace_days: i64,
    /// Who issues receipts, in lines; empty where nobody is named.
    pub seller: &'a str,
}

impl<'a> Rules<'a> {
    /// The plan with this identifier.
    ///
    /// # Errors
    /// `internal`: every plan that is referred to is in the catalogue.
    pub fn plan(&self, id: PlanId) -> Result<&'a Plan, Refusal> {
        self.plans.iter().find(|plan| plan.id == id).ok_or(Refusal::Internal)
    }
}

/// What has happened to a book since it was loaded, in order. What a purse went through is in the purse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A subscription began, with its first period.
    SubscriptionBegun(Subscription),
    /// A subscription ended; another may begin after it.
    SubscriptionEnded(Subscription),
    /// The latest period ends earlier than it was to.
    PeriodClosed {
        subscription: i64,
        period: Period,
    },
    PeriodBegun {
        subscription: i64,
        period: Period,
    },
    PaymentRequested(PendingPayment),
    PaymentWithdrawn {
        reference: String,
    },
    PaymentConfirmed(ConfirmedPayment),
    /// A line for the audit.
    Noted {
        action: &'static str,
        /// A JSON object.
        detail: Value,
        /// Whether time did it, and not whoever asked for something else.
        by_time: bool,
    },
}

/// An account's book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    pub account_id: AccountId,
    pub status: AccountStatus,
    pub suspend_reason: Option<SuspendReason>,
    /// Nothing for the staff's account alone.
    pub plan_id: Option<PlanId>,
    pub payment_method: Option<PaymentMethod>,
    pub purse: Purse,
    /// The latest one, ended or not. Nothing for the staff's account alone.
    pub subscription: Option<Subscription>,
    pub pending: Option<PendingPayment>,
    pub changes: Vec<Change>,
}

/// What time does to a subscription next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Another grant of an annual period.
    Grant,
    TrialEnds,
    /// The end that the owner asked for.
    Cancelled,
    PeriodEnds,
    GraceEnds,
}

/// The book that an account begins with. It is nobody's before that account has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBook(Book);

impl NewBook {
    /// The account that begins with it.
    #[must_use]
    pub fn account(&self, name: String, rules: &Rules<'_>) -> NewAccount {
        let Self(book) = self;
        NewAccount {
            kind: AccountKind::Customer,
            name,
            status: book.status,
            plan_id: book.plan_id,
            bucket_count: book.purse.bucket_count,
            due: book.due(rules),
        }
    }

    /// The same as the book of the account with this number.
    #[must_use]
    pub fn of(self, account_id: AccountId) -> Book {
        Book { account_id, ..self.0 }
    }
}

impl Book {
    /// The book of an account that signs up: a trial of `plan`, with its credits.
    ///
    /// # Errors
    /// `plan_misconfigured` for a plan that grants nothing.
    pub fn open(plan: &Plan, rules: &Rules<'_>, now: Timestamp) -> Result<NewBook, Refusal> {
        let mut book = Self {
            account_id: AccountId(0),
            status: AccountStatus::Trial,
            suspend_reason: None,
            plan_id: Some(plan.id),
            payment_method: None,
            purse: Purse::default(),
            subscription: None,
            pending: None,
            changes: Vec::new(),
        };
        if plan.terms.effective_credits().0 <= 0 {
            return Err(Refusal::PlanMisconfigured);
        }
        let trial = Subscription {
            number: 1,
            status: SubscriptionStatus::Trialing,
            plan_id: plan.id,
            payment_method: PaymentMethod::Trial,
            external_payment_id: None,
            stripe_subscription_id: None,
            trial_days: plan.terms.trial_days,
            trial_grace_days: rules.trial_grace_days,
            cancel_at_period_end: false,
            anchor: now,
            grants: 1,
            earlier: Vec::new(),
            grace_end: None,
            ended_at: None,
            period: Period::first(now, plan.terms.trial_days),
        };
        let first = GrantKey {
            subscription: trial.number,
            period: trial.period.sequence,
            grant: 1,
        };
        book.changes.push(Change::SubscriptionBegun(trial.clone()));
        book.subscription = Some(trial);
        let reason = Reason {
            transaction_type: TransactionType::Subscription,
            description: format!("Initial credits from {}", plan.terms.name),
            metadata: json!({"registration": true, "plan_slug": plan.terms.slug}).to_string(),
        };
        book.purse
            .reset_plan(plan.terms.effective_credits(), first, reason, now)?;
        Ok(NewBook(book))
    }

    /// The subscription that has not ended.
    ///
    /// # Errors
    /// `subscription_ended`.
    pub fn running(&mut self) -> Result<&mut Subscription, Refusal> {
        let running = self.subscription.as_mut().filter(|latest| latest.ended_at.is_none());
        running.ok_or(Refusal::SubscriptionEnded)
    }

    /// Leaves a line for the audit: what was done, and what has changed with it since the book stood at `before`.
    pub(super) fn note(&mut self, action: &'static str, mut detail: Value, before: &Facts) {
        before.tell_change(&Facts::of(self), &mut detail);
        self.changes.push(Change::Noted {
            action,
            detail,
            by_time: false,
        });
    }

    /// Moves the running subscription on, as the table of its states allows.
    pub(super) fn step(&mut self, event: Event) -> Result<(), Refusal> {
        let subscription = self.running()?;
        subscription.status = subscription.status.after(event).ok_or(Refusal::NotRenewable)?;
        Ok(())
    }

    /// Ends the running subscription by `event`, at `at`.
    pub(super) fn end(&mut self, event: Event, at: Timestamp) -> Result<(), Refusal> {
        self.step(event)?;
        let subscription = self.running()?;
        subscription.ended_at = Some(at);
        subscription.grace_end = None;
        let ended = subscription.clone();
        self.changes.push(Change::SubscriptionEnded(ended));
        Ok(())
    }

    /// Begins `period` of the running subscription with its first grant. What is left of earlier grants expires.
    pub(super) fn begin_period(&mut self, plan: &Plan, period: Period, at: Timestamp) -> Result<(), Refusal> {
        let subscription = self.running()?;
        let begins_with_it = subscription.period == period;
        subscription.period = period;
        if subscription.earlier.is_empty() {
            subscription.grants = 1;
        }
        let number = subscription.number;
        if !begins_with_it {
            self.changes.push(Change::PeriodBegun {
                subscription: number,
                period,
            });
        }
        let first = GrantKey {
            subscription: number,
            period: period.sequence,
            grant: 1,
        };
        self.make_grant(plan, first, at)
    }

    /// Makes the next grant of the period whose grants come now.
    fn grant(&mut self, plan: &Plan, at: Timestamp) -> Result<(), Refusal> {
        let subscription = self.running()?;
        subscription.grants += 1;
        let key = GrantKey {
            subscription: subscription.number,
            period: subscription.granting().sequence,
            grant: subscription.grants,
        };
        self.make_grant(plan, key, at)?;
        while self.next_grant(plan).is_none() && !self.running()?.earlier.is_empty() {
            let subscription = self.running()?;
            subscription.earlier.remove(0);
            subscription.grants = 1;
        }
        Ok(())
    }

    fn make_grant(&mut self, plan: &Plan, key: GrantKey, at: Timestamp) -> Result<(), Refusal> {
        let reason = Reason {
            transaction_type: TransactionType::Subscription,
            description: format!("Credits from {}", plan.terms.name),
            metadata: json!({
                "plan_slug": plan.terms.slug, "subscription": key.subscription, "period": key.period, "grant": key.grant,
            })
            .to_string(),
        };
        self.purse.reset_plan(plan.terms.effective_credits(), key, reason, at)
    }

    /// Makes the grants that have fallen due by `until`, and not been made yet, in their order.
    pub(super) fn catch_up_grants(&mut self, plan: &Plan, until: Timestamp) -> Result<(), Refusal> {
        while let Some(due) = self.next_grant(plan).filter(|due| *due <= until) {
            self.grant(plan, due)?;
        }
        Ok(())
    }

    /// When the next grant comes. Those of a period that was renewed early come at their times, before the next one's.
    fn next_grant(&self, plan: &Plan) -> Option<Timestamp> {
        let latest = self.subscription.as_ref()?;
        let (period, number) = (latest.granting(), latest.grants + 1);
        // The first one comes with the period itself.
        if number < 2 || number > grants_of(&plan.terms) {
            return None;
        }
        grant_due(&plan.terms, latest.anchor, period.start, number).filter(|due| *due < period.end)
    }

    fn next_step(&self, rules: &Rules<'_>) -> Option<(Timestamp, Step)> {
        let latest = self.subscription.as_ref().filter(|latest| latest.ended_at.is_none())?;
        let end = latest.period.end;
        if latest.cancel_at_period_end && latest.status != SubscriptionStatus::Active {
            // Its grace goes on as before; without one there is nothing more to wait for.
            return Some((latest.grace_end.unwrap_or(end), Step::Cancelled));
        }
        match latest.status {
            SubscriptionStatus::Trialing => Some((end.plus_days(latest.trial_grace_days), Step::TrialEnds)),
            SubscriptionStatus::Active => {
                let plan = rules.plan(latest.plan_id).ok();
                let grant = plan.and_then(|plan| self.next_grant(plan));
                let at_the_end = if latest.cancel_at_period_end {
                    Step::Cancelled
                } else {
                    Step::PeriodEnds
                };
                Some(grant.map_or((end, at_the_end), |due| (due, Step::Grant)))
            }
            SubscriptionStatus::PastDue => latest.grace_end.map(|end| (end, Step::GraceEnds)),
            SubscriptionStatus::Cancelled | SubscriptionStatus::Expired => None,
        }
    }

    /// When time itself next changes something; nothing where it never does.
    #[must_use]
    pub fn due(&self, rules: &Rules<'_>) -> Option<Timestamp> {
        let step = self.next_step(rules).map(|(at, _)| at);
        self.purse.due().into_iter().chain(step).min()
    }

    /// Brings the book up to `now`: trials end, periods end or renew, grants fall due, holds and buckets expire, each in
    /// the order of its instant. Whether it is called often or seldom makes no difference to what comes out.
    ///
    /// # Errors
    /// None that a well-formed book can meet.
    pub fn pass_time(&mut self, rules: &Rules<'_>, now: Timestamp) -> Result<(), Refusal> {
        let begun = self.changes.len();
        for _ in 0..MAX_STEPS {
            let credits = self.purse.due().filter(|due| *due <= now);
            let step = self.next_step(rules).filter(|(due, _)| *due <= now);
            match (credits, step) {
                (Some(at), Some((due, _))) if at <= due => self.purse.expire(at)?,
                (Some(at), None) => self.purse.expire(at)?,
                (_, Some((at, step))) => self.take(step, rules, at)?,
                (None, None) => break,
            }
        }
        for change in &mut self.changes[begun..] {
            if let Change::Noted { by_time, .. } = change {
                *by_time = true;
            }
        }
        self.settle();
        Ok(())
    }

    fn take(&mut self, step: Step, rules: &Rules<'_>, at: Timestamp) -> Result<(), Refusal> {
        let before = Facts::of(self);
        let latest = self.running()?;
        let (plan_id, end) = (latest.plan_id, latest.period.end);
        let period = match step {
            Step::Grant => latest.granting(),
            Step::TrialEnds | Step::Cancelled | Step::PeriodEnds | Step::GraceEnds => latest.period,
        };
        let detail = json!({"subscription": latest.number, "period": period.sequence});
        let action = match step {
            Step::Grant => {
                self.grant(rules.plan(plan_id)?, at)?;
                "credits.granted"
            }
            Step::TrialEnds => {
                self.end(Event::Lapse, at)?;
                "subscription.trial_ended"
            }
            Step::Cancelled => {
                self.end(Event::Cancel, at)?;
                "subscription.cancelled"
            }
            Step::PeriodEnds => {
                let plan = rules.plan(plan_id)?;
                if plan.terms.renews_by_itself() {
                    self.next_period(plan, at)?;
                    "subscription.renewed"
                } else {
                    self.step(Event::Miss)?;
                    self.running()?.grace_end = Some(end.plus_days(rules.past_due_grace_days));
                    "subscription.past_due"
                }
            }
            Step::GraceEnds => {
                self.running()?.grace_end = None;
                "subscription.grace_ended"
            }
        };
        self.settle();
        self.note(action, detail, &before);
        Ok(())
    }

    /// Renews the running subscription from the end of its latest period. What that has still to grant comes at its times.
    pub(super) fn next_period(&mut self, plan: &Plan, at: Timestamp) -> Result<(), Refusal> {
        let owes = self.next_grant(plan).is_some();
        self.step(Event::Renew)?;
        let latest = self.running()?;
        if owes {
            latest.earlier.push(latest.period);
        } else {
            latest.earlier.clear();
        }
        latest.grace_end = None;
        let next = Period::after(latest.period, &plan.terms, latest.anchor);
        self.begin_period(plan, next, at)
    }

    /// The account's status follows from its subscription and its pending payment, unless it was suspended for another
    /// reason: that stays until somebody takes it back.
    pub(super) fn settle(&mut self) {
        if !self.is_blocked()
            && let Some((status, reason)) = self.standing()
        {
            (self.status, self.suspend_reason) = (status, reason);
        }
    }

    /// Where its subscription and its pending payment put the account; nothing where it never had a subscription.
    #[must_use]
    pub fn standing(&self) -> Option<(AccountStatus, Option<SuspendReason>)> {
        let latest = self.subscription.as_ref()?;
        Some(match latest.status {
            SubscriptionStatus::Trialing => (AccountStatus::Trial, None),
            SubscriptionStatus::Active => (AccountStatus::Active, None),
            SubscriptionStatus::PastDue if latest.grace_end.is_some() => (AccountStatus::PastDue, None),
            SubscriptionStatus::PastDue => (AccountStatus::Suspended, Some(SuspendReason::PaymentOverdue)),
            SubscriptionStatus::Expired if self.pending.is_some() => (AccountStatus::PendingPayment, None),
            SubscriptionStatus::Expired => (AccountStatus::Suspended, Some(SuspendReason::TrialEnded)),
            SubscriptionStatus::Cancelled => (AccountStatus::Cancelled, None),
        })
    }

    /// Whether it was suspended for a reason that neither time nor a payment takes away.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        matches!(self.suspend_reason, Some(SuspendReason::Abuse | SuspendReason::Staff))
    }
}

#[cfg(test)]
pub(crate) mod tests;
