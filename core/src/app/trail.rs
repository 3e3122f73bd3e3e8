//! The audit of an account, for its own people: who did what.

use super::{Core, StoryError};
use crate::storage::audit::{self, Line};
use igny8_contract::ids::AccountId;

/// A page of the audit.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// Newest first.
    pub lines: Vec<Line>,
    /// Ask for lines before this number to go on; nothing on the last page.
    pub next_before: Option<i64>,
}

/// The `limit` newest lines of an account before the number `before`.
///
/// # Errors
/// `storage_unavailable`.
pub async fn page(core: &Core, id: AccountId, before: i64, limit: usize) -> Result<AuditPage, StoryError> {
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut lines = audit::page(&mut *core.store.read().await?, id, before, fetched).await?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next_before = lines.last().filter(|_| more).map(|line| line.id);
    Ok(AuditPage { lines, next_before })
}
