//! Sweeping away what is kept for a while alone. Most rounds have nothing to sweep and begin no transaction.

use super::{Core, StoryError};
use crate::storage::{Connection, idempotency, mailed_token, sign_in, sign_in_budget};
use igny8_contract::time::Timestamp;

/// How many rows one sweep takes at most; the next round goes on.
const SWEPT_AT_ONCE: i64 = 1000;
/// For how many days sign-ins that are over are kept: their addresses are those that a user is known to come from.
const SIGN_IN_DAYS: i64 = 30;
/// For how many days links that have ended are kept.
const LINK_DAYS: i64 = 7;

/// Sweeps once. Answers under their Idempotency-Key are kept for `idempotency_days`.
///
/// # Errors
/// `storage_unavailable`.
pub async fn sweep(core: &Core, idempotency_days: i64) -> Result<(), StoryError> {
    answers(core, core.now().plus_days(-idempotency_days)).await?;
    let now = core.machine_now();
    sign_ins(core, now.plus_days(-SIGN_IN_DAYS)).await?;
    links(core, now.plus_days(-LINK_DAYS)).await?;
    budgets(core, now).await
}

fn swept(what: &'static str, rows: u64) {
    metrics::counter!("igny8_core_worker_swept_total", "what" => what).increment(rows);
}

async fn answers(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    let oldest = idempotency::oldest(&mut *core.store.read().await?).await?;
    if oldest.is_none_or(|oldest| oldest >= before) {
        return Ok(());
    }
    let rows = core
        .store
        .write(&before, |connection: &mut Connection, before| {
            Box::pin(idempotency::sweep(connection, *before, SWEPT_AT_ONCE))
        })
        .await?;
    swept("idempotency_keys", rows);
    Ok(())
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

async fn links(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    if !mailed_token::any_over(&mut *core.store.read().await?, before).await? {
        return Ok(());
    }
    let rows = core
        .store
        .write(&before, |connection: &mut Connection, before| {
            Box::pin(mailed_token::sweep(connection, *before, SWEPT_AT_ONCE))
        })
        .await?;
    swept("mailed_links", rows);
    Ok(())
}

async fn budgets(core: &Core, before: Timestamp) -> Result<(), StoryError> {
    if !sign_in_budget::any_over(&mut *core.store.read().await?, before).await? {
        return Ok(());
    }
    let rows = core
        .store
        .write(&before, |connection: &mut Connection, before| {
            Box::pin(sign_in_budget::sweep(connection, *before, SWEPT_AT_ONCE))
        })
        .await?;
    swept("sign_in_budgets", rows);
    Ok(())
}
