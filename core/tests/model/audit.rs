//! The audit: whatever changes plan, status, subscription, period or payment leaves a line that says so.

use super::act::Decision;
use super::checks::{Cause, Fault, Turn, ensure};
use igny8_core::domain::book::{Book, Change};
use igny8_core::domain::purse::Bucket;
use igny8_core::domain::stripe::Fact;
use igny8_core::domain::stripe::decision::Outcome as Told;

/// The lines that can account for a change.
const fn lines_for(change: &Change) -> &'static [&'static str] {
    match change {
        Change::SubscriptionBegun(_) | Change::PeriodBegun { .. } => {
            &["subscription.activated", "subscription.renewed"]
        }
        Change::SubscriptionEnded(_) => &[
            "subscription.activated",
            "subscription.renewed",
            "subscription.trial_ended",
            "subscription.cancelled",
        ],
        Change::PeriodClosed { .. } => &["subscription.activated"],
        Change::PaymentRequested(_) => &["payment.requested"],
        Change::PaymentWithdrawn { .. } => &["payment.withdrawn"],
        Change::PaymentConfirmed(_) => &["payment.confirmed"],
        Change::Noted { .. } => &[],
    }
}

/// Checks both halves of a turn: what time did, and what somebody decided.
pub fn is_complete(turn: &Turn<'_>) -> Result<(), Fault> {
    half(turn.before, turn.passed, true)?;
    half(turn.passed, turn.after, false)?;
    let wanted = match turn.cause {
        Cause::Decision(Decision::Bonus { .. } | Decision::TakeCredits { .. }) => "credits.adjusted",
        Cause::Decision(Decision::Assign { .. }) => "plan.assigned",
        Cause::Decision(Decision::Suspend { .. }) => "account.suspended",
        Cause::Event(Fact::InvoiceFailed { .. }, Told::Noted) => "payment.failed",
        Cause::Event(_, Told::AmountMismatch) => "payment.mismatch",
        _ => return Ok(()),
    };
    let last = turn.after.changes.last();
    let says_so = matches!(last, Some(Change::Noted { action, by_time: false, .. }) if *action == wanted);
    ensure(says_so, || format!("{last:?} does not say {wanted}"))
}

fn half(from: &Book, to: &Book, by_time: bool) -> Result<(), Fault> {
    let changes = &to.changes[from.changes.len()..];
    let mut lines = Vec::new();
    for change in changes {
        if let Change::Noted {
            action,
            by_time: time_did_it,
            detail,
        } = change
        {
            ensure(*time_did_it == by_time, || format!("{action} says the wrong doer"))?;
            ensure(detail.is_object(), || format!("{action} has no object: {detail}"))?;
            lines.push(*action);
        }
    }
    let has = |wanted: &[&str]| lines.iter().any(|line| wanted.contains(line));
    for change in changes {
        let wanted = lines_for(change);
        ensure(wanted.is_empty() || has(wanted), || {
            format!("no line accounts for {change:?}: {lines:?}")
        })?;
    }
    let stands = |book: &Book| (book.status, book.suspend_reason, book.payment_method);
    ensure(stands(from) == stands(to) || !lines.is_empty(), || {
        format!("{:?} became {:?} without a line", stands(from), stands(to))
    })?;
    ensure(from.plan_id == to.plan_id || has(&["subscription.activated"]), || {
        "a plan without a line".into()
    })?;
    ensure(
        from.is_blocked() == to.is_blocked() || has(&["account.suspended", "account.reinstated"]),
        || "a suspension without a line".into(),
    )?;
    let same_terms = from.subscription == to.subscription || !lines.is_empty();
    ensure(same_terms, || {
        format!("{:?} became {:?} without a line", from.subscription, to.subscription)
    })?;
    if by_time {
        renewals_have_a_line_each(from, to, &lines)
    } else {
        Ok(())
    }
}

fn renewals_have_a_line_each(from: &Book, to: &Book, lines: &[&str]) -> Result<(), Fault> {
    let count = |wanted: &str| lines.iter().filter(|line| **line == wanted).count();
    let begun = |change: &&Change| matches!(change, Change::PeriodBegun { .. });
    let periods = to.changes[from.changes.len()..].iter().filter(begun).count();
    let is_later = |bucket: &&Bucket| bucket.grant.is_some_and(|key| key.grant > 1);
    let made = to.purse.journal.buckets[from.purse.journal.buckets.len()..].iter();
    let grants = made.filter(is_later).count();
    ensure(
        (count("subscription.renewed"), count("credits.granted")) == (periods, grants),
        || format!("{periods} periods began and {grants} grants were made: {lines:?}"),
    )
}
