//! What each decision does to a book that has been brought up to the present, and when it is refused.

use super::act::Decision;
use super::checks::{Fault, Turn, ensure};
use igny8_contract::credits::Credits;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::AccountStatus;
use igny8_contract::time::{MICROS_PER_DAY, Timestamp};
use igny8_core::domain::billing::LateMode;
use igny8_core::domain::book::{Book, Change, Rules};
use igny8_core::domain::plan::{BillingCycle, Plan};
use igny8_core::domain::purse::{Bucket, BucketKind, Hold};
use igny8_core::domain::stripe::Fact;
use igny8_core::domain::stripe::decision::Outcome as Told;
use igny8_core::domain::subscription::{PaymentMethod, Subscription, SubscriptionStatus};

/// What can be drawn now.
fn drawable(book: &Book, now: Timestamp) -> i64 {
    let open = |bucket: &&Bucket| bucket.expires_at.is_none_or(|end| end > now);
    book.purse
        .buckets
        .iter()
        .filter(open)
        .map(|bucket| bucket.free().0)
        .sum()
}

fn open_hold(book: &Book, number: i64) -> Option<&Hold> {
    book.purse.holds.iter().find(|hold| hold.number == number)
}

fn latest(book: &Book) -> Result<&Subscription, Fault> {
    book.subscription.as_ref().ok_or_else(|| "no subscription".into())
}

/// Whether there is this reason to refuse this.
pub fn is_justified(decision: &Decision, refusal: Refusal, book: &Book, rules: &Rules<'_>, now: Timestamp) -> bool {
    let Some(latest) = &book.subscription else { return false };
    let has_ended = latest.ended_at.is_some();
    let is_late = latest.status == SubscriptionStatus::PastDue;
    match (decision, refusal) {
        (
            Decision::Consume { amount } | Decision::TakeCredits { amount } | Decision::Hold { amount, .. },
            Refusal::InsufficientCredits,
        ) => amount.0 > drawable(book, now),
        (Decision::ConfirmHold { number, part }, Refusal::InsufficientCredits) => {
            open_hold(book, *number).is_some_and(|hold| *part > hold.amount())
        }
        (Decision::ConfirmHold { number, .. } | Decision::ReleaseHold { number }, Refusal::HoldEnded) => {
            open_hold(book, *number).is_none()
        }
        (Decision::Upgrade { .. } | Decision::CancelAtPeriodEnd { .. }, Refusal::AccountCancelled) => {
            book.status == AccountStatus::Cancelled
        }
        (Decision::Upgrade { plan, .. }, Refusal::EnterpriseNeedsStaff) => plan.terms.by_agreement,
        (Decision::Upgrade { plan, .. }, Refusal::PlanRequired) => !plan.terms.is_priced() || !plan.terms.is_active,
        (Decision::Confirm(paid), Refusal::AmountMismatch) => paid.override_reason.is_none(),
        (Decision::Confirm(paid), Refusal::PlanRequired) => {
            let own = book.plan_id.and_then(|id| rules.plan(id).ok());
            let of_named = |plan: &Plan| !plan.terms.is_priced() && !plan.terms.by_agreement;
            book.pending.is_none() && paid.plan.as_ref().or(own).is_none_or(of_named)
        }
        (Decision::Confirm(_) | Decision::Renew { mode: None }, Refusal::RenewalModeRequired) => is_late,
        (Decision::Renew { .. } | Decision::CancelAtPeriodEnd { .. }, Refusal::SubscriptionEnded) => has_ended,
        (Decision::Renew { .. }, Refusal::NotRenewable) => latest.status == SubscriptionStatus::Trialing,
        (Decision::Assign { plan }, Refusal::PaidPlanNeedsPayment) => plan.terms.is_priced(),
        (Decision::Assign { plan }, Refusal::PlanRequired) => plan.terms.slug == "free-trial",
        _ => false,
    }
}

/// Checks that a decision did what it is for, and nothing else.
pub fn are_right(decision: &Decision, turn: &Turn<'_>, rules: &Rules<'_>) -> Result<(), Fault> {
    match decision {
        Decision::Consume { amount } | Decision::TakeCredits { amount } => {
            moves_credits_alone(turn, -amount.0)?;
            ensure(amount.0 <= drawable(turn.passed, turn.now), || {
                "more was drawn than there was".into()
            })?;
            what_is_lost_soonest_goes_first(turn, *amount)
        }
        Decision::Hold { amount, .. } => {
            moves_credits_alone(turn, 0)?;
            let held = turn.after.purse.held().0 - turn.passed.purse.held().0;
            ensure(held == amount.0, || format!("{held} of {amount:?} were held"))
        }
        Decision::ConfirmHold { number, part } => hold_ended(turn, *number, *part),
        Decision::ReleaseHold { number } => hold_ended(turn, *number, Credits::ZERO),
        Decision::Bonus { amount, .. } => moves_credits_alone(turn, amount.0),
        Decision::Upgrade { plan, method, .. } => upgrade_waits(turn, plan, *method),
        Decision::Confirm(confirmation) => {
            ensure(turn.after.pending.is_none(), || {
                "the payment is still waited for".into()
            })?;
            payment_taken(turn, rules, confirmation.method, confirmation.mode)
        }
        Decision::Renew { mode } => plan_runs(turn, rules, *mode),
        Decision::Assign { plan } => assigned(turn, plan, rules),
        Decision::CancelAtPeriodEnd { cancel } => {
            let asked = Subscription {
                cancel_at_period_end: *cancel,
                ..latest(turn.passed)?.clone()
            };
            ensure(latest(turn.after)? == &asked, || "more than the end was changed".into())?;
            same_credits(turn)
        }
        Decision::Suspend { .. } => {
            ensure(turn.after.status == AccountStatus::Suspended, || "not suspended".into())?;
            nothing_bought(turn)
        }
        Decision::Reinstate => {
            ensure(!turn.after.is_blocked(), || "not reinstated".into())?;
            nothing_bought(turn)
        }
    }
}

fn payment_taken(
    turn: &Turn<'_>,
    rules: &Rules<'_>,
    method: PaymentMethod,
    mode: Option<LateMode>,
) -> Result<(), Fault> {
    ensure(turn.after.payment_method == Some(method), || "by another method".into())?;
    let (before, after) = (latest(turn.passed)?, latest(turn.after)?);
    let stripe_goes_on = method == PaymentMethod::Stripe && before.payment_method == method;
    ensure(stripe_goes_on || !after.cancel_at_period_end, || {
        "who has paid is to be cancelled".into()
    })?;
    let is_payment = |change: &&Change| matches!(change, Change::PaymentConfirmed(_));
    ensure(turn.after.changes.iter().filter(is_payment).count() == 1, || {
        "not one payment".into()
    })?;
    payment_bought_the_latest_period(turn)?;
    plan_runs(turn, rules, mode)
}

/// Checks that what Stripe told had this effect, and no other.
pub fn of_event_are_right(fact: &Fact, outcome: Told, turn: &Turn<'_>, rules: &Rules<'_>) -> Result<(), Fault> {
    let (before, after) = (latest(turn.passed)?, latest(turn.after)?);
    if outcome != Told::Applied {
        // It may be written into the audit, and that is all.
        return nothing_bought(turn);
    }
    match fact {
        Fact::Checkout(_) | Fact::InvoicePaid { .. } => {
            let settles = turn.after.pending.is_none();
            ensure(settles || turn.after.pending == turn.passed.pending, || {
                "another payment is waited for".into()
            })?;
            ensure(after.stripe_subscription_id.as_deref() == fact.subscription(), || {
                format!("{after:?} is paid by another subscription")
            })?;
            payment_taken(turn, rules, PaymentMethod::Stripe, Some(LateMode::Restart))
        }
        Fact::CancelChanged { cancels, .. } => {
            let asked = Subscription {
                cancel_at_period_end: *cancels,
                ..before.clone()
            };
            ensure(*after == asked, || "more than the end was changed".into())?;
            same_credits(turn)
        }
        Fact::Deleted { .. } => {
            let unlinked = Subscription {
                stripe_subscription_id: None,
                ..before.clone()
            };
            let by_stripe = before.payment_method == PaymentMethod::Stripe;
            let ended = after.status == SubscriptionStatus::Cancelled && after.ended_at == Some(turn.now);
            ensure(if by_stripe { ended } else { *after == unlinked }, || {
                format!("{before:?} became {after:?}")
            })?;
            same_credits(turn)
        }
        Fact::InvoiceFailed { .. } | Fact::Nothing => Err(format!("{fact:?} cannot take effect")),
    }
}

fn same_credits(turn: &Turn<'_>) -> Result<(), Fault> {
    ensure(turn.passed.purse == turn.after.purse, || "credits were moved".into())
}

fn nothing_bought(turn: &Turn<'_>) -> Result<(), Fault> {
    same_credits(turn)?;
    let bought = |book: &Book| {
        (
            book.plan_id,
            book.payment_method,
            book.subscription.clone(),
            book.pending.clone(),
        )
    };
    ensure(bought(turn.passed) == bought(turn.after), || {
        "more than credits changed".into()
    })
}

/// The balance has moved by just this, in one entry, and nothing but credits has changed.
fn moves_credits_alone(turn: &Turn<'_>, by: i64) -> Result<(), Fault> {
    let (before, after) = (&turn.passed.purse, &turn.after.purse);
    let moved = after.head.balance.0 - before.head.balance.0;
    let entries = after.head.sequence - before.head.sequence;
    ensure((moved, entries) == (by, i64::from(by != 0)), || {
        format!("{moved} in {entries} entries, not {by}")
    })?;
    let noted = |change: &Change| matches!(change, Change::Noted { .. });
    let same = Book {
        purse: before.clone(),
        changes: turn.passed.changes.clone(),
        ..turn.after.clone()
    };
    let others = turn.after.changes.iter().skip(turn.passed.changes.len()).all(noted);
    ensure(others && same == *turn.passed, || "more than credits changed".into())
}

/// Plan credits before bonuses before purchases, and of each kind those that expire first.
fn what_is_lost_soonest_goes_first(turn: &Turn<'_>, amount: Credits) -> Result<(), Fault> {
    let rank = |bucket: &Bucket| {
        let kind = BucketKind::ALL.iter().position(|kind| *kind == bucket.kind);
        (kind, bucket.expires_at.map_or(i64::MAX, |end| end.0), bucket.number)
    };
    let mut buckets = turn.passed.purse.buckets.clone();
    buckets.sort_by_key(rank);
    let mut missing = amount.0;
    for bucket in &mut buckets {
        if bucket.expires_at.is_none_or(|end| end > turn.now) {
            let drawn = missing.min(bucket.free().0);
            bucket.remaining.0 -= drawn;
            missing -= drawn;
        }
    }
    buckets.retain(|bucket| bucket.remaining.0 > 0);
    buckets.sort_by_key(|bucket| bucket.number);
    ensure(buckets == turn.after.purse.buckets, || {
        format!("{:?} were left, not {buckets:?}", turn.after.purse.buckets)
    })
}

fn hold_ended(turn: &Turn<'_>, number: i64, confirmed: Credits) -> Result<(), Fault> {
    ensure(open_hold(turn.after, number).is_none(), || "the hold is open".into())?;
    let hold = open_hold(turn.passed, number).ok_or("a hold that was not open was ended")?;
    let (before, after) = (&turn.passed.purse, &turn.after.purse);
    let freed = before.held().0 - after.held().0;
    ensure(freed == hold.amount().0, || {
        format!("{freed} of {hold:?} were let go of")
    })?;
    // What is let go of in a bucket that is over expires at once.
    let expired: i64 = turn.after.purse.journal.entries[before.journal.entries.len()..]
        .iter()
        .filter(|(movement, _)| movement.amount.0 < 0)
        .map(|(movement, _)| -movement.amount.0)
        .sum::<i64>()
        - confirmed.0;
    let may_expire: i64 = hold
        .parts
        .iter()
        .filter_map(|(part_of, part)| {
            let bucket = before.buckets.iter().find(|bucket| bucket.number == *part_of)?;
            bucket.expires_at.is_some_and(|end| end <= turn.now).then_some(part.0)
        })
        .sum();
    ensure((0..=may_expire).contains(&expired), || {
        format!("{expired} expired where {may_expire} may")
    })?;
    let moved = before.head.balance.0 - after.head.balance.0;
    ensure(moved == confirmed.0 + expired, || {
        format!("{moved} went for {confirmed:?} and {expired}")
    })
}

fn upgrade_waits(turn: &Turn<'_>, plan: &Plan, method: PaymentMethod) -> Result<(), Fault> {
    let (before, after) = (turn.passed, turn.after);
    let pending = after.pending.as_ref().ok_or("nothing is waited for")?;
    let asked = (
        pending.plan_id,
        pending.method,
        pending.amount_minor,
        pending.currency.as_str(),
    );
    let expected = (plan.id, method, plan.terms.price_minor, plan.terms.currency.as_str());
    ensure(asked == expected, || format!("{asked:?} is waited for"))?;
    let same = Book {
        status: before.status,
        suspend_reason: before.suspend_reason,
        pending: before.pending.clone(),
        changes: before.changes.clone(),
        ..after.clone()
    };
    ensure(same == *before, || {
        "an upgrade changed more than what is waited for".into()
    })
}

fn assigned(turn: &Turn<'_>, plan: &Plan, rules: &Rules<'_>) -> Result<(), Fault> {
    let after = (turn.after.plan_id, turn.after.payment_method, &turn.after.pending);
    ensure(after == (Some(plan.id), Some(PaymentMethod::Manual), &None), || {
        format!("{after:?}")
    })?;
    let ran = latest(turn.passed)?;
    if ran.ended_at.is_none() && ran.plan_id == plan.id && ran.status != SubscriptionStatus::Trialing {
        same_credits(turn)?;
        return ensure(latest(turn.after)? == ran, || {
            "a plan that ran already was changed".into()
        });
    }
    plan_runs(turn, rules, None)
}

fn payment_bought_the_latest_period(turn: &Turn<'_>) -> Result<(), Fault> {
    let (latest, payments) = (latest(turn.after)?, &turn.history.payments);
    let payment = payments.last().ok_or("no payment")?;
    ensure(
        (payment.subscription, payment.period) == (latest.number, latest.period),
        || format!("{payment:?} did not buy {latest:?}"),
    )?;
    ensure(
        latest.external_payment_id.as_ref() == Some(&payment.paid.external_id),
        || "by another payment".into(),
    )?;
    let bought = |payment: &&igny8_core::domain::payment::ConfirmedPayment| {
        (payment.subscription, payment.period.sequence) == (latest.number, latest.period.sequence)
    };
    ensure(payments.iter().filter(bought).count() == 1, || {
        "two payments bought the same period".into()
    })
}

/// Checks the period that began, and the credits that came with it.
fn plan_runs(turn: &Turn<'_>, rules: &Rules<'_>, mode: Option<LateMode>) -> Result<(), Fault> {
    let (before, after) = (latest(turn.passed)?, latest(turn.after)?);
    ensure(
        after.status == SubscriptionStatus::Active && after.ended_at.is_none(),
        || format!("{after:?}"),
    )?;
    ensure(turn.now < after.period.end, || "its new period is over".into())?;
    let ran_on =
        before.ended_at.is_none() && before.plan_id == after.plan_id && before.status != SubscriptionStatus::Trialing;
    let continues = after.number == before.number;
    let may_restart = mode == Some(LateMode::Restart) && before.status == SubscriptionStatus::PastDue;
    ensure(continues || !ran_on || may_restart, || {
        format!("{before:?} was not renewed")
    })?;
    let periods = turn.history.subscriptions[&after.number]
        .periods
        .iter()
        .map(|(period, _)| *period);
    let mut new = periods.filter(|period| !continues || period.sequence > before.period.sequence);
    let first = new.next().ok_or("no period began")?;
    ensure(new.next().is_none() || mode == Some(LateMode::CatchUp), || {
        "more than one period began".into()
    })?;
    let start = if continues && ran_on {
        before.period.end
    } else {
        turn.now
    };
    ensure(first.start == start, || format!("{first:?} began, not at {start:?}"))?;

    let terms = &rules.plan(after.plan_id).map_err(|error| format!("{error:?}"))?.terms;
    let days = match (terms.billing_cycle, terms.calendar_anchor) {
        (BillingCycle::Monthly, false) => 30..=30,
        (BillingCycle::Annual, false) => 365..=365,
        (BillingCycle::Monthly, true) => 28..=31,
        (BillingCycle::Annual, true) => 365..=366,
    };
    let length = after.period.end.0 - after.period.start.0;
    let whole_days = length % MICROS_PER_DAY == 0 && days.contains(&(length / MICROS_PER_DAY));
    ensure(whole_days, || {
        format!("{:?} is no period of {}", after.period, terms.slug)
    })?;
    let is_plan = |bucket: &&Bucket| bucket.kind == BucketKind::Plan;
    let buckets = turn.after.purse.buckets.iter();
    let free: i64 = buckets.filter(is_plan).map(|bucket| bucket.free().0).sum();
    let granted = terms.effective_credits().0;
    ensure(free == granted, || {
        format!("{free} plan credits are free, and a grant is {granted}")
    })
}
