//! How many attempts somebody has left: one instant for each, by the hash of who it is.

use super::error::Error;
use super::row::{instant, optional_number};
use super::store::Connection;
use igny8_contract::time::Timestamp;

/// When a budget is full again; 0 for one that nothing was taken from. Until the transaction ends nobody else reads it.
///
/// # Errors
/// What the database says.
pub async fn lock(connection: &mut Connection, key_hash: &[u8; 32]) -> Result<Timestamp, Error> {
    let row = sqlx::query(
        "INSERT INTO sign_in_budget (key_hash, full_at_us) VALUES ($1, 0) \
         ON CONFLICT (key_hash) DO UPDATE SET full_at_us = sign_in_budget.full_at_us RETURNING full_at_us",
    )
    .bind(key_hash.to_vec())
    .fetch_one(connection)
    .await?;
    instant(&row, "full_at_us")
}

/// Notes when a budget is full again.
///
/// # Errors
/// What the database says.
pub async fn save(connection: &mut Connection, key_hash: &[u8; 32], full_at: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE sign_in_budget SET full_at_us = $2 WHERE key_hash = $1")
        .bind(key_hash.to_vec())
        .bind(full_at.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a budget was full again before `before`.
///
/// # Errors
/// What the database says.
pub async fn any_over(connection: &mut Connection, before: Timestamp) -> Result<bool, Error> {
    let row = sqlx::query("SELECT MIN(full_at_us) AS oldest_us FROM sign_in_budget")
        .fetch_one(connection)
        .await?;
    Ok(optional_number(&row, "oldest_us")?.is_some_and(|oldest| oldest < before.0))
}

/// Forgets budgets that were full again before `before`, at most `limit` of them, and says how many.
///
/// # Errors
/// What the database says.
pub async fn sweep(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let swept = sqlx::query(
        "DELETE FROM sign_in_budget WHERE full_at_us < $1 AND key_hash IN \
         (SELECT key_hash FROM sign_in_budget WHERE full_at_us < $1 ORDER BY full_at_us LIMIT $2)",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}
