//! Bringing an account up to the present where time has something to change in it: trials and periods end or renew, grants
//! fall due, holds and buckets expire.

use super::{BillingTerms, Core, StoryError};
use crate::storage::book::By;
use crate::storage::trail::Actor;
use crate::storage::{self, Connection, account, plan};
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use std::collections::BTreeSet;

struct Given {
    id: AccountId,
    terms: BillingTerms,
    now: Timestamp,
}

/// Does to an account what time has in store for it by now, and says whether there was anything. Whoever comes second,
/// from this process or another, finds nothing left.
///
/// # Errors
/// `storage_unavailable`; `internal` for a book that breaks its rules.
pub async fn tick(core: &Core, id: AccountId) -> Result<bool, StoryError> {
    let given = Given {
        id,
        terms: core.billing,
        now: core.now(),
    };
    core.store
        .write(&given, |connection, given| Box::pin(commit(connection, given)))
        .await
}

async fn commit(connection: &mut Connection, given: &Given) -> Result<bool, StoryError> {
    let locked = account::lock(connection, &BTreeSet::from([given.id])).await?;
    let due = locked.first().and_then(|locked| locked.due);
    if due.is_none_or(|due| due > given.now) {
        return Ok(false);
    }
    let Some(before) = storage::book::load(connection, given.id).await? else {
        return Ok(false);
    };
    let plans = plan::all(connection).await?;
    let rules = given.terms.rules(&plans);
    let mut book = before.clone();
    book.pass_time(&rules, given.now)?;
    let by = By {
        actor: Actor::System,
        request_id: "",
    };
    storage::book::save(connection, Some(&before), &book, by, &rules, given.now).await?;
    Ok(true)
}
