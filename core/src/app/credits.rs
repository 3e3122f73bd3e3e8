//! Credits: used, set aside, and looked at.

use super::change::{Answer, Ask};
use super::debits::{Command, Debit, ShowEntry, ShowHold, Spend};
use super::tick::catch_up;
use super::{Core, StoryError};
use crate::storage::hold::{self, StoredHold};
use crate::storage::ledger::{self, DayUsage};
use crate::storage::purse;
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{MICROS_PER_DAY, Timestamp};

/// Draws from an account's credits. Answers with the entry, as `show` shows it.
///
/// # Errors
/// `insufficient_credits`, `account_missing`, the refusals of standing, `idempotency_key_reused`, `storage_unavailable`.
pub async fn consume(core: &Core, ask: Ask, spend: Spend, show: ShowEntry) -> Result<Answer, StoryError> {
    carry_out(core, ask, Debit::Consume { spend, show }).await
}

/// Sets credits aside, for `seconds` or as long as the house has it. Answers with the hold.
///
/// # Errors
/// As for [`consume`], and `too_many_holds`.
pub async fn hold(
    core: &Core,
    ask: Ask,
    spend: Spend,
    seconds: Option<i64>,
    show: ShowHold,
) -> Result<Answer, StoryError> {
    let seconds = seconds.unwrap_or(core.hold_ttl_seconds);
    carry_out(core, ask, Debit::Hold { spend, seconds, show }).await
}

/// Draws what a hold has set aside, or a part of it, and lets go of the rest. Answers with the entry.
///
/// # Errors
/// As for [`consume`]; `not_found`, `hold_ended`; `insufficient_credits` for more than the hold has set aside.
pub async fn confirm(
    core: &Core,
    ask: Ask,
    hold: i64,
    amount: Option<Credits>,
    show: ShowEntry,
) -> Result<Answer, StoryError> {
    carry_out(core, ask, Debit::Confirm { hold, amount, show }).await
}

/// Lets go of what a hold has set aside. Answers with the hold.
///
/// # Errors
/// As for [`confirm`].
pub async fn release(core: &Core, ask: Ask, hold: i64, show: ShowHold) -> Result<Answer, StoryError> {
    carry_out(core, ask, Debit::Release { hold, show }).await
}

async fn carry_out(core: &Core, ask: Ask, debit: Debit) -> Result<Answer, StoryError> {
    core.committer.carry_out(Command { ask, debit }).await
}

/// What an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The sum of the ledger.
    pub balance: Credits,
    /// Set aside by holds.
    pub held: Credits,
}

/// What an account has.
///
/// # Errors
/// `account_missing`, `storage_unavailable`.
pub async fn balance(core: &Core, id: AccountId) -> Result<Balance, StoryError> {
    catch_up(core, id).await?;
    let found = purse::balance(&mut *core.store.read().await?, id).await?;
    let (balance, held) = found.ok_or(Refusal::AccountMissing)?;
    Ok(Balance { balance, held })
}

/// A page of holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldPage {
    /// Newest first.
    pub holds: Vec<StoredHold>,
    /// Ask for holds before this number to go on; nothing on the last page.
    pub next_before: Option<i64>,
}

/// The `limit` newest holds before the number `before`; of one status where one is given.
///
/// # Errors
/// `storage_unavailable`.
pub async fn holds(
    core: &Core,
    id: AccountId,
    status: Option<&str>,
    before: i64,
    limit: usize,
) -> Result<HoldPage, StoryError> {
    catch_up(core, id).await?;
    // One more than asked for says whether there is a next page.
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut holds = hold::page(&mut *core.store.read().await?, id, status, before, fetched).await?;
    let more = holds.len() > limit;
    holds.truncate(limit);
    let next_before = holds.last().filter(|_| more).map(|hold| hold.number);
    Ok(HoldPage { holds, next_before })
}

/// What was used on each day from `first` to `last`, both included, in their order; days are counted from 1970-01-01, in
/// UTC. A day on which nothing was used is there, too.
///
/// # Errors
/// `storage_unavailable`.
pub async fn usage(core: &Core, id: AccountId, first: i64, last: i64) -> Result<Vec<DayUsage>, StoryError> {
    let start = |day: i64| Timestamp(day.saturating_mul(MICROS_PER_DAY));
    let used = ledger::usage(&mut *core.store.read().await?, id, start(first), start(last + 1)).await?;
    let mut used = used.into_iter().peekable();
    let of = |day: i64| {
        used.next_if(|usage| usage.day == day).unwrap_or(DayUsage {
            day,
            consumed: Credits::ZERO,
            entries: 0,
        })
    };
    Ok((first..=last).map(of).collect())
}
