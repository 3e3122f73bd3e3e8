//! Payments and receipts, for whoever looks them up.

use super::{Core, StoryError};
use crate::storage::payment::{self, Pending, Recorded};
use crate::storage::receipt::{self, Receipt};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;

/// A page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Ask for items before this number to go on; nothing on the last page.
    pub next_before: Option<i64>,
}

impl<T> Listed<T> {
    /// `fetched` holds one more than `limit` where there is a next page.
    fn cut(mut fetched: Vec<T>, limit: usize, number: impl Fn(&T) -> i64) -> Self {
        let more = fetched.len() > limit;
        fetched.truncate(limit);
        let next_before = fetched.last().filter(|_| more).map(number);
        Self {
            items: fetched,
            next_before,
        }
    }
}

fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// The account's payments: pending, confirmed and withdrawn.
///
/// # Errors
/// `storage_unavailable`.
pub async fn payments(core: &Core, id: AccountId, before: i64, limit: usize) -> Result<Listed<Recorded>, StoryError> {
    let fetched = payment::page(&mut *core.store.read().await?, id, before, one_more(limit)).await?;
    Ok(Listed::cut(fetched, limit, |payment| payment.id))
}

/// The payments of all accounts that are waited for.
///
/// # Errors
/// `storage_unavailable`.
pub async fn pending(core: &Core, before: i64, limit: usize) -> Result<Listed<Pending>, StoryError> {
    let fetched = payment::pending_page(&mut *core.store.read().await?, before, one_more(limit)).await?;
    Ok(Listed::cut(fetched, limit, |pending| pending.id))
}

/// One payment that is waited for.
///
/// # Errors
/// `not_found`, `storage_unavailable`.
pub async fn pending_one(core: &Core, id: i64) -> Result<Pending, StoryError> {
    let found = payment::pending_by_id(&mut *core.store.read().await?, id).await?;
    Ok(found.ok_or(Refusal::NotFound)?)
}

/// The account's receipts.
///
/// # Errors
/// `storage_unavailable`.
pub async fn receipts(core: &Core, id: AccountId, before: i64, limit: usize) -> Result<Listed<Receipt>, StoryError> {
    let fetched = receipt::page(&mut *core.store.read().await?, id, before, one_more(limit)).await?;
    Ok(Listed::cut(fetched, limit, |receipt| receipt.number))
}

/// One receipt of the account's.
///
/// # Errors
/// `not_found`, `storage_unavailable`.
pub async fn receipt(core: &Core, id: AccountId, number: i64) -> Result<Receipt, StoryError> {
    let found = receipt::by_number(&mut *core.store.read().await?, id, number).await?;
    Ok(found.ok_or(Refusal::NotFound)?)
}
