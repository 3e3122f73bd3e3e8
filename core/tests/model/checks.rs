//! What must hold after every step, written from the documents and not from the code.

use super::act::Decision;
use super::audit;
use super::effects;
use super::history::History;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use igny8_core::domain::book::{Book, Rules};
use igny8_core::domain::period::Period;
use igny8_core::domain::plan::BillingCycle;
use igny8_core::domain::stripe::Fact;
use igny8_core::domain::stripe::decision::Outcome as Told;
use igny8_core::domain::subscription::{Event, Subscription, SubscriptionStatus};

/// What is wrong, in a sentence.
pub type Fault = String;

/// What followed time in a turn.
#[derive(Clone, Copy)]
pub enum Cause<'a> {
    Nothing,
    Decision(&'a Decision),
    Event(&'a Fact, Told),
}

/// What became of one account in one step: time first, then at most one decision.
pub struct Turn<'a> {
    /// As it was stored.
    pub before: &'a Book,
    /// Brought up to the present.
    pub passed: &'a Book,
    pub after: &'a Book,
    /// With this turn.
    pub history: &'a History,
    pub cause: Cause<'a>,
    pub now: Timestamp,
}

pub fn ensure(holds: bool, fault: impl FnOnce() -> Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault()) }
}

/// Checks a whole turn.
pub fn turn(turn: &Turn<'_>, rules: &Rules<'_>) -> Result<(), Fault> {
    stands(turn.after, turn.history, rules, turn.now)?;
    step_is_in_the_table(turn.passed, turn.after)?;
    audit::is_complete(turn)?;
    match turn.cause {
        Cause::Nothing => Ok(()),
        Cause::Decision(decision) => effects::are_right(decision, turn, rules),
        Cause::Event(fact, outcome) => effects::of_event_are_right(fact, outcome, turn, rules),
    }
}

/// What holds of every account at every moment.
pub fn stands(book: &Book, history: &History, rules: &Rules<'_>, now: Timestamp) -> Result<(), Fault> {
    credits_add_up(book, history)?;
    periods_tile(book, history)?;
    grants_are_right(history, rules)?;
    status_is_legal(book)?;
    // An end that was asked for after the grace was over is carried out by the next step of time.
    let due = book.due(rules);
    let waits_for_its_end = book
        .subscription
        .as_ref()
        .is_some_and(|latest| latest.cancel_at_period_end && latest.grace_end.is_none());
    ensure(due.is_none_or(|due| due > now) || waits_for_its_end, || {
        format!("time has already something to do: it was due at {due:?}")
    })
}

fn credits_add_up(book: &Book, history: &History) -> Result<(), Fault> {
    let purse = &book.purse;
    let sum: i64 = history.entries.iter().map(|(movement, _)| movement.amount.0).sum();
    let lies: i64 = purse.buckets.iter().map(|bucket| bucket.remaining.0).sum();
    let (balance, sequence) = (purse.head.balance.0, purse.head.sequence);
    ensure(balance == sum && balance == lies && balance >= 0, || {
        format!("the balance is {balance}, the ledger comes to {sum}, and {lies} lie in buckets")
    })?;
    ensure(usize::try_from(sequence) == Ok(history.entries.len()), || {
        format!("{} entries, and the last one is {sequence}", history.entries.len())
    })?;
    let held: i64 = purse
        .holds
        .iter()
        .flat_map(|hold| &hold.parts)
        .map(|(_, part)| part.0)
        .sum();
    ensure(
        held == purse.held().0 && purse.available().0 == balance - held && held <= balance,
        || format!("holds have {held}, buckets say {}, of {balance}", purse.held().0),
    )?;
    for bucket in &purse.buckets {
        ensure(
            bucket.remaining.0 > 0 && (0..=bucket.remaining.0).contains(&bucket.held.0),
            || format!("{bucket:?}"),
        )?;
    }
    let ascending =
        purse.buckets.is_sorted_by(|a, b| a.number < b.number) && purse.holds.is_sorted_by(|a, b| a.number < b.number);
    ensure(ascending, || {
        "buckets and holds are not in the order of their numbers".into()
    })?;
    purse.fault().map_or(Ok(()), Err)
}

fn periods_tile(book: &Book, history: &History) -> Result<(), Fault> {
    for (expected, (number, told)) in (1..).zip(&history.subscriptions) {
        ensure(*number == expected, || format!("subscription {expected} is missing"))?;
        for (sequence, (period, _)) in (1..).zip(&told.periods) {
            ensure(period.sequence == sequence && period.start < period.end, || {
                format!("period {sequence} of subscription {number} is {period:?}")
            })?;
        }
        for pair in told.periods.windows(2) {
            ensure(pair[0].0.end == pair[1].0.start, || {
                format!("subscription {number}: {:?} is followed by {:?}", pair[0].0, pair[1].0)
            })?;
        }
        let last = told.periods.last().map(|(period, plan)| (*period, *plan));
        ensure(last == Some((told.latest.period, told.latest.plan_id)), || {
            format!("the latest period is {last:?}, the subscription says {:?}", told.latest)
        })?;
        let is_last = history.subscriptions.len() == usize::try_from(expected).unwrap_or(0);
        ensure(is_last || told.latest.status.is_terminal(), || {
            format!("{number} was left running")
        })?;
        has_ended_if_it_says_so(&told.latest)?;
    }
    let latest = history.subscriptions.values().last().map(|told| &told.latest);
    ensure(latest == book.subscription.as_ref(), || {
        "the book has not the latest subscription".into()
    })?;
    let is_of_latest = latest.is_none_or(|latest| Some(latest.plan_id) == book.plan_id);
    ensure(is_of_latest, || "the account's plan is not its subscription's".into())
}

fn has_ended_if_it_says_so(latest: &Subscription) -> Result<(), Fault> {
    let over = latest.status.is_terminal();
    let in_grace = latest.grace_end.is_some();
    ensure(over == latest.ended_at.is_some(), || {
        format!("it has ended or not: {latest:?}")
    })?;
    ensure(!in_grace || latest.status == SubscriptionStatus::PastDue, || {
        format!("grace for nothing: {latest:?}")
    })
}

/// One first grant for each period, the others after it in their order, and no more than the plan has.
fn grants_are_right(history: &History, rules: &Rules<'_>) -> Result<(), Fault> {
    for (number, told) in &history.subscriptions {
        for (period, plan) in &told.periods {
            let terms = &rules.plan(*plan).map_err(|error| format!("{error:?}"))?.terms;
            let is_annual = terms.billing_cycle == BillingCycle::Annual;
            let most = if is_annual { 12 } else { 1 };
            let made = history.grants_of(*number, period.sequence);
            if is_annual {
                come_at_their_times(*period, terms.calendar_anchor, made, &told.latest, history.furthest)?;
            }
            ensure((1..=most).contains(&made), || {
                format!("period {} of subscription {number} has {made} grants", period.sequence)
            })?;
        }
        let now = history.grants_of(*number, told.latest.granting().sequence);
        ensure(usize::try_from(told.latest.grants) == Ok(now), || {
            format!(
                "subscription {number} counts {} grants and had {now}",
                told.latest.grants
            )
        })?;
    }
    for key in &history.grants {
        let before = history.grants.range(..key).next_back();
        let follows = before.is_some_and(|before| {
            (before.subscription, before.period, before.grant + 1) == (key.subscription, key.period, key.grant)
        });
        ensure(key.grant == 1 || follows, || format!("{key:?} follows {before:?}"))?;
    }
    Ok(())
}

/// Every grant of a year but its first waits for its month, whoever has paid ahead; and a year that is over has had all.
fn come_at_their_times(
    period: Period,
    by_calendar: bool,
    made: usize,
    latest: &Subscription,
    furthest: Timestamp,
) -> Result<(), Fault> {
    let month = if by_calendar { 28 } else { 30 };
    let waited = i64::try_from(made).map_err(|error| error.to_string())? - 1;
    ensure(
        waited == 0 || period.start.plus_days(month * waited) <= furthest,
        || format!("{made} grants of {period:?} have come by {furthest:?}"),
    )?;
    let was_closed = period.end < period.start.plus_days(365) || latest.ended_at.is_some_and(|end| end < period.end);
    ensure(was_closed || period.end > furthest || made == 12, || {
        format!("{period:?} is over and had {made} grants")
    })
}

/// What an account's status may be, by its subscription's, by whether a payment is waited for, and by whether it is in grace.
fn status_is_legal(book: &Book) -> Result<(), Fault> {
    use AccountStatus::{Active, Cancelled, PastDue, PendingPayment, Suspended, Trial};
    use SubscriptionStatus as Of;
    let latest = book.subscription.as_ref().ok_or("a customer without a subscription")?;
    let stands = (book.status, book.suspend_reason);
    if matches!(book.suspend_reason, Some(SuspendReason::Abuse | SuspendReason::Staff)) {
        return ensure(book.status == Suspended, || format!("{stands:?}"));
    }
    let rows = [
        ((Of::Trialing, false, false), (Trial, None)),
        ((Of::Trialing, true, false), (Trial, None)),
        ((Of::Active, false, false), (Active, None)),
        ((Of::Active, true, false), (Active, None)),
        ((Of::PastDue, false, true), (PastDue, None)),
        ((Of::PastDue, true, true), (PastDue, None)),
        (
            (Of::PastDue, false, false),
            (Suspended, Some(SuspendReason::PaymentOverdue)),
        ),
        (
            (Of::PastDue, true, false),
            (Suspended, Some(SuspendReason::PaymentOverdue)),
        ),
        (
            (Of::Expired, false, false),
            (Suspended, Some(SuspendReason::TrialEnded)),
        ),
        ((Of::Expired, true, false), (PendingPayment, None)),
        ((Of::Cancelled, false, false), (Cancelled, None)),
        ((Of::Cancelled, true, false), (Cancelled, None)),
    ];
    let of = (latest.status, book.pending.is_some(), latest.grace_end.is_some());
    let legal = rows.iter().find(|(row, _)| *row == of).map(|(_, stands)| *stands);
    ensure(legal == Some(stands), || format!("{of:?} stands as {stands:?}"))
}

/// Brings a book up to `now`, and checks that it makes no difference how often that is done on the way.
pub fn pass_time(book: &Book, rules: &Rules<'_>, now: Timestamp) -> Result<Book, Fault> {
    let refused = |refusal: Refusal| format!("time was refused: {refusal:?}");
    let mut at_once = book.clone();
    at_once.pass_time(rules, now).map_err(refused)?;
    let mut bit_by_bit = book.clone();
    while let Some(due) = bit_by_bit.due(rules).filter(|due| *due <= now) {
        for at in [Timestamp(due.0 - 1), due] {
            let before = bit_by_bit.clone();
            bit_by_bit.pass_time(rules, at).map_err(refused)?;
            step_is_in_the_table(&before, &bit_by_bit)?;
        }
        ensure(bit_by_bit.due(rules).is_none_or(|next| next > due), || {
            format!("{due:?} is due again and again")
        })?;
    }
    bit_by_bit.pass_time(rules, now).map_err(refused)?;
    ensure(at_once == bit_by_bit, || {
        format!("time at once and bit by bit differ:\n{at_once:?}\n{bit_by_bit:?}")
    })?;
    Ok(at_once)
}

/// Whether one step of time, or one decision, moved the subscription as the table of its states allows.
fn step_is_in_the_table(before: &Book, after: &Book) -> Result<(), Fault> {
    let (Some(before), Some(after)) = (&before.subscription, &after.subscription) else {
        return Err("a customer without a subscription".into());
    };
    if before.number != after.number {
        let replaced = before.status.is_terminal() || before.status.after(Event::Lapse).is_some();
        return ensure(replaced && after.number == before.number + 1, || {
            format!("{before:?} gave way to {after:?}")
        });
    }
    let moved = Event::ALL
        .into_iter()
        .any(|event| before.status.after(event) == Some(after.status));
    ensure(
        before == after || moved || (before.status == after.status && !before.status.is_terminal()),
        || format!("{before:?} became {after:?}"),
    )
}

/// Checks that a decision was refused for a reason that there is. `left` is the book as the refused decision left it.
pub fn refusal(
    passed: &Book,
    left: &Book,
    decision: &Decision,
    refusal: Refusal,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<(), Fault> {
    ensure(passed.purse == left.purse, || {
        format!("{decision:?} was refused and changed the purse")
    })?;
    ensure(effects::is_justified(decision, refusal, passed, rules, now), || {
        format!("{decision:?} was refused with {refusal:?} on {passed:?}")
    })
}
