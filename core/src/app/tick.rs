//! What time alone does to an account: trials and periods end or renew, grants fall due, holds and buckets expire.

use super::{BillingTerms, Core, StoryError};
use crate::storage::book::{self, By};
use crate::storage::trail::Actor;
use crate::storage::{Connection, Store, account, plan};
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use std::collections::BTreeSet;

/// Brings an account up to the present. Whether it is called often or seldom, once or by several at a time, makes no
/// difference to what comes out. Says whether anything but the time of the next call has changed.
///
/// # Errors
/// `storage_unavailable`.
pub async fn tick(core: &Core, id: AccountId) -> Result<bool, StoryError> {
    tick_in(&core.store, &core.billing, core.now(), id).await
}

/// Brings an account up to the present for whoever only looks, if time has something to change there. An account that cannot
/// be, because its database takes no writes for now, is looked at as it is: reading goes on. Says whether anything may have
/// changed.
///
/// # Errors
/// `storage_unavailable` where it cannot even be looked at.
pub async fn catch_up(core: &Core, id: AccountId) -> Result<bool, StoryError> {
    let due = account::due_of(&mut *core.store.read().await?, id).await?;
    if due.is_none_or(|due| due > core.now()) {
        return Ok(false);
    }
    let core = core.clone();
    // In a task of its own it runs to its end, though whoever looks may hang up.
    let ticked = tokio::spawn(async move { tick(&core, id).await }).await;
    let failed = match ticked {
        Ok(Ok(_)) => return Ok(true),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(account_id = %id, cause = failed, "an account is shown as it was before it fell due");
    Ok(false)
}

/// [`tick`] for whoever has no [`Core`].
pub(super) async fn tick_in(
    store: &Store,
    terms: &BillingTerms,
    now: Timestamp,
    id: AccountId,
) -> Result<bool, StoryError> {
    let given = (terms, now, id);
    store
        .write(&given, |connection, (terms, now, id)| {
            Box::pin(commit(connection, terms, *now, *id))
        })
        .await
}

async fn commit(
    connection: &mut Connection,
    terms: &BillingTerms,
    now: Timestamp,
    id: AccountId,
) -> Result<bool, StoryError> {
    let locked = account::lock(connection, &BTreeSet::from([id])).await?;
    if locked.first().and_then(|locked| locked.due).is_none_or(|due| due > now) {
        return Ok(false);
    }
    let Some(before) = book::load(connection, id).await? else {
        return Ok(false);
    };
    let plans = plan::all(connection).await?;
    let rules = terms.rules(&plans);
    let mut after = before.clone();
    after.pass_time(&rules, now)?;
    let by = By {
        actor: Actor::System,
        request_id: "",
    };
    // Stored even where nothing has changed: what made the account due may be gone, as a hold that was confirmed in time.
    book::save(connection, &before, &after, by, &rules, now).await?;
    Ok(after != before)
}
