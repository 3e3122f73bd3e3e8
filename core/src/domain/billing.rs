//! What people and payment providers decide about an account's book. Each call is one decision on a book that has been
//! brought up to the present.

use super::book::{Book, Change, Facts, Rules};
use super::cycle::period_end;
use super::ledger::TransactionType;
use super::payment::{ConfirmedPayment, Paid, PendingPayment};
use super::period::Period;
use super::plan::{FREE_TRIAL, Plan};
use super::purse::{BucketKind, Reason};
use super::subscription::{Event, PaymentMethod, Subscription, SubscriptionStatus};
use igny8_contract::credits::Credits;
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use serde_json::{Value, json};

/// What a renewal does that comes so late that the next period would be over, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateMode {
    /// One period after the other until one reaches past the present.
    CatchUp,
    /// The old subscription ends and a new one begins now.
    Restart,
}

impl LateMode {
    /// The mode of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "catch_up" => Some(Self::CatchUp),
            "restart" => Some(Self::Restart),
            _ => None,
        }
    }
}

/// A payment that somebody says has come.
#[derive(Clone, Debug)]
pub struct Confirmation {
    pub method: PaymentMethod,
    pub external_id: String,
    /// Minor units of the plan's currency; more than 0.
    pub amount_minor: i64,
    pub payer_name: String,
    pub override_reason: Option<String>,
    pub confirmed_by: Option<UserId>,
    /// The plan that was named, if one was.
    pub plan: Option<Plan>,
    pub mode: Option<LateMode>,
}

/// Credits that staff add or take.
#[derive(Clone, Debug)]
pub struct Adjustment {
    /// More than 0 to add, less to take; never 0.
    pub amount: Credits,
    /// What the entry is called. Purchases stay purchased; everything else that is added is a bonus.
    pub kind: TransactionType,
    pub reason: String,
    /// When what is added expires; nothing where it does not.
    pub expires_at: Option<Timestamp>,
}

impl Book {
    /// The plan that a payment is for: that of the pending upgrade, else the one that is named, else, for an account whose
    /// plan has no price, the one active plan of just this price, else the account's own plan if that is paid for.
    fn paid_plan(&self, rules: &Rules<'_>, confirmation: &Confirmation) -> Result<Plan, Refusal> {
        if let Some(pending) = &self.pending {
            return rules.plan(pending.plan_id).cloned();
        }
        if let Some(plan) = &confirmation.plan {
            let is_paid_for = plan.terms.is_priced() || plan.terms.by_agreement;
            return if is_paid_for {
                Ok(plan.clone())
            } else {
                Err(Refusal::PlanRequired)
            };
        }
        let own = rules.plan(self.plan_id.ok_or(Refusal::PlanRequired)?)?;
        if own.terms.is_priced() || own.terms.by_agreement {
            return Ok(own.clone());
        }
        let of_this_price = |plan: &&Plan| {
            plan.terms.is_active && !plan.terms.by_agreement && plan.terms.price_minor == confirmation.amount_minor
        };
        let mut fitting = rules.plans.iter().filter(of_this_price);
        match (fitting.next(), fitting.next()) {
            (Some(plan), None) => Ok(plan.clone()),
            _ => Err(Refusal::PlanRequired),
        }
    }

    /// The plan that a payment is for, and what it costs in minor units: what was asked for at the time, else the price.
    ///
    /// # Errors
    /// `plan_required`.
    pub fn quote(&self, rules: &Rules<'_>, confirmation: &Confirmation) -> Result<(Plan, i64), Refusal> {
        let plan = self.paid_plan(rules, confirmation)?;
        let asked_for = self.pending.as_ref().map(|pending| pending.amount_minor);
        let expected = asked_for.unwrap_or(plan.terms.price_minor);
        Ok((plan, expected))
    }

    /// Takes a payment: it activates its plan, or renews it where it runs already.
    ///
    /// # Errors
    /// `plan_required`, `amount_mismatch`, `renewal_mode_required`.
    pub fn confirm(
        &mut self,
        rules: &Rules<'_>,
        confirmation: Confirmation,
        now: Timestamp,
    ) -> Result<ConfirmedPayment, Refusal> {
        let (plan, expected) = self.quote(rules, &confirmation)?;
        if confirmation.amount_minor != expected && confirmation.override_reason.is_none() {
            return Err(Refusal::AmountMismatch);
        }
        let before = Facts::of(self);
        let settled = self.pending.take().map(|pending| pending.reference);
        let (method, external_id) = (confirmation.method, confirmation.external_id.clone());
        if self.runs_on(&plan) {
            self.renew_from(&plan, confirmation.mode, now)?;
        } else {
            self.activate(&plan, method, now)?;
        }
        let latest = self.running()?;
        // Who pays goes on, whatever was asked for before. Stripe says itself whether what it renews is to end, and its
        // events come in any order.
        if (latest.payment_method, method) != (PaymentMethod::Stripe, PaymentMethod::Stripe) {
            latest.cancel_at_period_end = false;
        }
        latest.payment_method = method;
        latest.external_payment_id = Some(external_id);
        let payment = ConfirmedPayment {
            paid: Paid {
                method,
                external_id: confirmation.external_id,
                amount_minor: confirmation.amount_minor,
                currency: plan.terms.currency.clone(),
                payer_name: confirmation.payer_name,
                override_reason: confirmation.override_reason,
                confirmed_by: confirmation.confirmed_by,
            },
            plan_id: plan.id,
            reference: settled,
            subscription: latest.number,
            period: latest.period,
            seller: rules.seller.to_owned(),
        };
        self.payment_method = Some(method);
        self.changes.push(Change::PaymentConfirmed(payment.clone()));
        self.settle();
        let waited_for = payment.reference.as_ref().map(|_| "pending");
        let detail = json!({
            "method": method.as_str(), "external_payment_id": payment.paid.external_id,
            "amount_minor": payment.paid.amount_minor, "currency": payment.paid.currency, "expected_minor": expected,
            "override_reason": payment.paid.override_reason, "plan_slug": plan.terms.slug,
            "payment": {"before": waited_for, "after": "confirmed"},
        });
        self.note("payment.confirmed", detail, &before);
        Ok(payment)
    }

    fn runs_on(&self, plan: &Plan) -> bool {
        self.subscription.as_ref().is_some_and(|latest| {
            latest.plan_id == plan.id
                && matches!(latest.status, SubscriptionStatus::Active | SubscriptionStatus::PastDue)
        })
    }

    /// Begins a plan now. Within a running period that period is closed and the next one begins; otherwise a new
    /// subscription begins, since the periods of one subscription leave no gap.
    pub(super) fn activate(&mut self, plan: &Plan, method: PaymentMethod, now: Timestamp) -> Result<(), Refusal> {
        let within = self.running().is_ok_and(|latest| {
            latest.status.after(Event::Activate).is_some() && latest.period.start < now && now < latest.period.end
        });
        let before = Facts::of(self);
        self.plan_id = Some(plan.id);
        if within {
            self.switch(plan, method, now)?;
        } else {
            self.begin_subscription(plan, method, now)?;
        }
        self.settle();
        self.note("subscription.activated", json!({"plan_slug": plan.terms.slug}), &before);
        Ok(())
    }

    fn switch(&mut self, plan: &Plan, method: PaymentMethod, now: Timestamp) -> Result<(), Refusal> {
        self.step(Event::Activate)?;
        let latest = self.running()?;
        latest.period.end = now;
        latest.earlier.clear();
        latest.plan_id = plan.id;
        latest.payment_method = method;
        latest.external_payment_id = None;
        if method != PaymentMethod::Stripe {
            // Stripe pays for the plan that ends here: what becomes of that there says nothing about this one.
            latest.stripe_subscription_id = None;
        }
        latest.cancel_at_period_end = false;
        latest.anchor = now;
        let (subscription, closed) = (latest.number, latest.period);
        self.changes.push(Change::PeriodClosed {
            subscription,
            period: closed,
        });
        self.begin_period(plan, Period::after(closed, &plan.terms, now), now)
    }

    fn begin_subscription(&mut self, plan: &Plan, method: PaymentMethod, now: Timestamp) -> Result<(), Refusal> {
        let mut stripe_subscription_id = None;
        if let Ok(replaced) = self.running() {
            if method == PaymentMethod::Stripe {
                stripe_subscription_id = replaced.stripe_subscription_id.take();
            }
            self.end(Event::Lapse, now)?;
        }
        let before = self.subscription.as_ref();
        let next = Subscription {
            number: before.map_or(0, |before| before.number) + 1,
            status: SubscriptionStatus::Active,
            plan_id: plan.id,
            payment_method: method,
            external_payment_id: None,
            stripe_subscription_id,
            trial_days: before.map_or(plan.terms.trial_days, |before| before.trial_days),
            trial_grace_days: before.map_or(0, |before| before.trial_grace_days),
            cancel_at_period_end: false,
            anchor: now,
            grants: 1,
            earlier: Vec::new(),
            grace_end: None,
            ended_at: None,
            period: Period {
                sequence: 1,
                start: now,
                end: period_end(&plan.terms, now, now),
            },
        };
        let period = next.period;
        self.changes.push(Change::SubscriptionBegun(next.clone()));
        self.subscription = Some(next);
        self.begin_period(plan, period, now)
    }

    /// Renews the running subscription from the end of its latest period.
    ///
    /// # Errors
    /// `subscription_ended`, `not_renewable` for a trial, `renewal_mode_required`.
    pub fn renew(&mut self, rules: &Rules<'_>, mode: Option<LateMode>, now: Timestamp) -> Result<(), Refusal> {
        let plan = rules.plan(self.running()?.plan_id)?.clone();
        self.renew_from(&plan, mode, now)
    }

    fn renew_from(&mut self, plan: &Plan, mode: Option<LateMode>, now: Timestamp) -> Result<(), Refusal> {
        let before = Facts::of(self);
        let latest = self.running()?;
        latest.status.after(Event::Renew).ok_or(Refusal::NotRenewable)?;
        let next = Period::after(latest.period, &plan.terms, latest.anchor);
        let (number, method) = (latest.number, latest.payment_method);
        self.catch_up_grants(plan, now)?;
        match (next.end > now, mode) {
            (true, _) => {
                self.next_period(plan, now)?;
                self.catch_up_grants(plan, now)?;
            }
            (false, None) => return Err(Refusal::RenewalModeRequired),
            (false, Some(LateMode::Restart)) => self.begin_subscription(plan, method, now)?,
            (false, Some(LateMode::CatchUp)) => loop {
                self.next_period(plan, now)?;
                self.catch_up_grants(plan, now)?;
                if self.running()?.period.end > now {
                    break;
                }
            },
        }
        let latest = self.running()?;
        let detail = json!({
            "subscription": latest.number, "period": latest.period.sequence, "restarted": latest.number != number,
        });
        self.settle();
        self.note("subscription.renewed", detail, &before);
        Ok(())
    }

    /// Asks for a paid plan. Nothing changes but that its payment is waited for. Asked for again, it is the same; another
    /// plan or method takes its place.
    ///
    /// # Errors
    /// `enterprise_needs_staff` for a plan by agreement, `plan_required` for one that has no price or is not open.
    pub fn request_upgrade(
        &mut self,
        plan: &Plan,
        method: PaymentMethod,
        reference: String,
    ) -> Result<PendingPayment, Refusal> {
        if plan.terms.by_agreement {
            return Err(Refusal::EnterpriseNeedsStaff);
        }
        if !plan.terms.is_active || !plan.terms.is_priced() {
            return Err(Refusal::PlanRequired);
        }
        let asked = PendingPayment {
            reference,
            plan_id: plan.id,
            method,
            amount_minor: plan.terms.price_minor,
            currency: plan.terms.currency.clone(),
        };
        let same = |pending: &&PendingPayment| {
            (pending.plan_id, pending.method, pending.amount_minor) == (asked.plan_id, method, asked.amount_minor)
        };
        if let Some(pending) = self.pending.as_ref().filter(same) {
            return Ok(pending.clone());
        }
        self.withdraw_pending();
        let before = Facts::of(self);
        self.pending = Some(asked.clone());
        self.changes.push(Change::PaymentRequested(asked.clone()));
        self.settle();
        let detail = json!({
            "reference": asked.reference, "plan_slug": plan.terms.slug, "method": method.as_str(),
            "payment": {"before": null, "after": "pending"},
        });
        self.note("payment.requested", detail, &before);
        Ok(asked)
    }

    fn withdraw_pending(&mut self) {
        if let Some(pending) = self.pending.take() {
            let (before, reference) = (Facts::of(self), pending.reference);
            let detail = json!({"reference": reference, "payment": {"before": "pending", "after": "withdrawn"}});
            self.note("payment.withdrawn", detail, &before);
            self.changes.push(Change::PaymentWithdrawn { reference });
        }
    }

    /// Gives an account a plan that nobody pays for here: one by agreement, or one without a price.
    ///
    /// # Errors
    /// `paid_plan_needs_payment` for a plan with a price, `plan_required` for the free trial, which only sign-up gives.
    pub fn assign(&mut self, plan: &Plan, now: Timestamp) -> Result<(), Refusal> {
        if !plan.terms.renews_by_itself() {
            return Err(Refusal::PaidPlanNeedsPayment);
        }
        if plan.terms.slug == FREE_TRIAL {
            return Err(Refusal::PlanRequired);
        }
        self.withdraw_pending();
        let before = Facts::of(self);
        if !self.runs_on(plan) {
            self.activate(plan, PaymentMethod::Manual, now)?;
        }
        self.payment_method = Some(PaymentMethod::Manual);
        self.note("plan.assigned", json!({"plan_slug": plan.terms.slug}), &before);
        Ok(())
    }

    /// Sets or takes back the end of the subscription with its running period.
    ///
    /// # Errors
    /// `subscription_ended`.
    pub fn cancel_at_period_end(&mut self, cancel: bool) -> Result<(), Refusal> {
        let before = Facts::of(self);
        let latest = self.running()?;
        if latest.cancel_at_period_end != cancel {
            latest.cancel_at_period_end = cancel;
            let detail = json!({"subscription": latest.number});
            let action = if cancel {
                "subscription.cancel_requested"
            } else {
                "subscription.cancel_undone"
            };
            self.note(action, detail, &before);
        }
        Ok(())
    }

    /// Ends the running subscription at once, as a payment provider tells it to. One that has ended stays as it is.
    ///
    /// # Errors
    /// None that a well-formed book can meet.
    pub fn terminate(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.running().is_ok() {
            let before = Facts::of(self);
            self.end(Event::Cancel, now)?;
            self.settle();
            self.note("subscription.cancelled", json!({"by": "provider"}), &before);
        }
        Ok(())
    }

    /// Adds or takes credits by hand. What is added is a bucket of its own; what is taken is drawn like a debit.
    ///
    /// # Errors
    /// `insufficient_credits` for more than can be used.
    pub fn adjust(&mut self, adjustment: Adjustment, now: Timestamp) -> Result<(), Refusal> {
        let Adjustment {
            amount,
            kind,
            reason,
            expires_at,
        } = adjustment;
        let before = Facts::of(self);
        let entry = Reason::plain(kind, reason.clone());
        if amount > Credits::ZERO {
            let bucket = if kind == TransactionType::Purchase {
                BucketKind::Purchased
            } else {
                BucketKind::Bonus
            };
            self.purse.add(bucket, amount, expires_at, entry)?;
        } else {
            self.purse.consume(Credits(-amount.0), entry, now)?;
        }
        let detail = json!({"amount": amount, "kind": kind.as_str(), "reason": reason, "expires_at_us": expires_at});
        self.note("credits.adjusted", detail, &before);
        Ok(())
    }

    /// Whether the people of the account may change anything of it: neither shut out by the house nor cancelled.
    ///
    /// # Errors
    /// `account_suspended`, `account_cancelled`.
    pub const fn is_open_to_its_people(&self) -> Result<(), Refusal> {
        if self.is_blocked() {
            return Err(Refusal::AccountSuspended);
        }
        match self.status {
            AccountStatus::Cancelled => Err(Refusal::AccountCancelled),
            AccountStatus::Trial
            | AccountStatus::Active
            | AccountStatus::PastDue
            | AccountStatus::PendingPayment
            | AccountStatus::Suspended => Ok(()),
        }
    }

    /// Writes why it was done into the lines that the decision has left for the audit.
    pub fn explain(&mut self, key: &str, words: &str) {
        for change in &mut self.changes {
            if let Change::Noted {
                detail: Value::Object(detail),
                by_time: false,
                ..
            } = change
            {
                detail.insert(key.to_owned(), words.into());
            }
        }
    }

    /// Suspends the account for a reason of the house's own.
    pub fn suspend(&mut self, reason: SuspendReason) {
        let before = Facts::of(self);
        (self.status, self.suspend_reason) = (AccountStatus::Suspended, Some(reason));
        self.note("account.suspended", json!({"reason": reason.as_str()}), &before);
    }

    /// Takes a suspension of the house's own back: the account stands as its subscription says.
    pub fn reinstate(&mut self) {
        if self.is_blocked() {
            let before = Facts::of(self);
            self.suspend_reason = None;
            self.settle();
            self.note("account.reinstated", json!({}), &before);
        }
    }
}

#[cfg(test)]
mod tests;
