//! Sweeping away what is kept for a while alone. Most rounds have nothing to sweep and begin no transaction.

use super::round::Kept;
use super::{Core, StoryError};
use crate::storage::store::StoryFuture;
use crate::storage::{
    Connection, Error, feed, idempotency, mailed_token, session, sign_in, sign_in_budget, stripe_event,
};
use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};

/// How many rows one sweep takes at most; the next round goes on.
const SWEPT_AT_ONCE: i64 = 1000;
/// For how many days sign-ins and sessions of the panel that are over are kept: their addresses are those that a user is
/// known to come from.
const SIGN_IN_DAYS: i64 = 30;
/// How long rows of the change feed are kept: a proxy that was away for longer takes a new snapshot.
const FEED_KEPT_SECONDS: i64 = 3600;
/// For how many days links that have ended are kept.
const LINK_DAYS: i64 = 7;

/// Sweeps once.
///
/// # Errors
/// `storage_unavailable`.
pub async fn sweep(core: &Core, kept: Kept) -> Result<(), StoryError> {
    stripe_events(core, core.now().plus_days(-kept.stripe_events)).await?;
    let now = core.machine_now();
    answers(core, now.plus_days(-kept.answers)).await?;
    sign_ins(core, now.plus_days(-SIGN_IN_DAYS)).await?;
    sessions(core, now.plus_days(-SIGN_IN_DAYS)).await?;
    links(core, now.plus_days(-LINK_DAYS)).await?;
    budgets(core, now).await?;
    feed_changes(core, Timestamp(now.0 - FEED_KEPT_SECONDS * MICROS_PER_SECOND)).await
}

/// Takes away in one transaction what is older than `before`, and counts it.
async fn take_away<S>(core: &Core, what: &'static str, before: Timestamp, story: S) -> Result<(), StoryError>
where
    S: for<'c> Fn(&'c mut Connection, &'c Timestamp) -> StoryFuture<'c, u64, Error>,
{
    let rows = core.store.write(&before, story).await?;
    swept(what, rows);
    Ok(())
}

fn swept(what: &'static str, rows: u64) {
    metrics::counter!("igny8_core_worker_swept_total", "what" => what).increment(rows);
}

async fn answers(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    let oldest = idempotency::oldest(&mut *core.store.read().await?).await?;
    if oldest.is_none_or(|oldest| oldest >= before) {
        return Ok(());
    }
    take_away(core, "idempotency_keys", before, |connection, before| {
        Box::pin(idempotency::sweep(connection, *before, SWEPT_AT_ONCE))
    })
    .await
}

async fn stripe_events(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    let oldest = stripe_event::oldest(&mut *core.store.read().await?).await?;
    if oldest.is_none_or(|oldest| oldest >= before) {
        return Ok(());
    }
    take_away(core, "stripe_events", before, |connection, before| {
        Box::pin(stripe_event::sweep(connection, *before, SWEPT_AT_ONCE))
    })
    .await
}

async fn sign_ins(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    let ids = sign_in::over(&mut *core.store.read().await?, before, SWEPT_AT_ONCE).await?;
    if ids.is_empty() {
        return Ok(());
    }
    core.store
        .write(&ids, |connection: &mut Connection, ids| {
            Box::pin(sign_in::forget(connection, ids))
        })
        .await?;
    swept("sign_ins", ids.len() as u64);
    Ok(())
}

async fn sessions(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    if !session::any_over(&mut *core.store.read().await?, before).await? {
        return Ok(());
    }
    take_away(core, "panel_sessions", before, |connection, before| {
        Box::pin(session::sweep(connection, *before, SWEPT_AT_ONCE))
    })
    .await
}

async fn links(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    if !mailed_token::any_over(&mut *core.store.read().await?, before).await? {
        return Ok(());
    }
    take_away(core, "mailed_links", before, |connection, before| {
        Box::pin(mailed_token::sweep(connection, *before, SWEPT_AT_ONCE))
    })
    .await
}

async fn budgets(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    if !sign_in_budget::any_over(&mut *core.store.read().await?, before).await? {
        return Ok(());
    }
    take_away(core, "sign_in_budgets", before, |connection, before| {
        Box::pin(sign_in_budget::sweep(connection, *before, SWEPT_AT_ONCE))
    })
    .await
}

async fn feed_changes(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    if !feed::is_due(&mut *core.store.read().await?, before).await? {
        return Ok(());
    }
    let rows = core
        .store
        .write_quietly(&before, |connection: &mut Connection, before| {
            Box::pin(feed::sweep(connection, *before, SWEPT_AT_ONCE))
        })
        .await?;
    swept("feed_changes", rows);
    Ok(())
}
