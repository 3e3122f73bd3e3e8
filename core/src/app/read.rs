//! Looking things up: stories that decide nothing. What is said of an account's book is said of the present: what time has
//! changed meanwhile is carried out first.

use super::profile::{self, AccountProfile, Profile};
use super::tick::catch_up;
use super::{Core, StoryError};
use crate::domain::plan::Plan;
use crate::domain::subscription::Subscription;
use crate::storage::ledger::Entry;
use crate::storage::{ledger, plan, subscription};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;

/// The plans that can be chosen from.
///
/// # Errors
/// `storage_unavailable`.
pub async fn open_plans(core: &Core) -> Result<Vec<Plan>, StoryError> {
    let plans = plan::all(&mut *core.store.read().await?).await?;
    Ok(plans.into_iter().filter(|plan| plan.terms.is_active).collect())
}

/// Every plan, open or not, in the order of the catalogue.
///
/// # Errors
/// `storage_unavailable`.
pub async fn plans(core: &Core) -> Result<Vec<Plan>, StoryError> {
    Ok(plan::all(&mut *core.store.read().await?).await?)
}

/// A user of an account and what belongs to it.
///
/// # Errors
/// `token_revoked` where the user is gone, `storage_unavailable`.
pub async fn profile(core: &Core, account_id: AccountId, id: UserId) -> Result<Profile, StoryError> {
    catch_up(core, account_id).await?;
    profile::of_user(&mut *core.store.snapshot().await?, id).await
}

/// An account with its plan.
///
/// # Errors
/// `account_missing`, `storage_unavailable`.
pub async fn account(core: &Core, id: AccountId) -> Result<AccountProfile, StoryError> {
    catch_up(core, id).await?;
    profile::of_account(&mut *core.store.snapshot().await?, id).await
}

/// The latest subscription, ended or not.
///
/// # Errors
/// `not_found` where the account has none, `storage_unavailable`.
pub async fn subscription(core: &Core, id: AccountId) -> Result<Subscription, StoryError> {
    catch_up(core, id).await?;
    let latest = subscription::latest(&mut *core.store.read().await?, id).await?;
    Ok(latest.ok_or(Refusal::NotFound)?)
}

/// A page of ledger entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPage {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Ask for entries before this sequence to go on; nothing on the last page.
    pub next_before: Option<i64>,
}

/// The `limit` newest entries before the sequence `before`.
///
/// # Errors
/// `storage_unavailable`.
pub async fn entries(core: &Core, id: AccountId, before: i64, limit: usize) -> Result<EntryPage, StoryError> {
    catch_up(core, id).await?;
    // One more than asked for says whether there is a next page.
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut entries = ledger::page(&mut *core.store.read().await?, id, before, fetched).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_before = entries.last().filter(|_| more).map(|entry| entry.movement.sequence);
    Ok(EntryPage { entries, next_before })
}
