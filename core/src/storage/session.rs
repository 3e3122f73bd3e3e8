//! Sessions of core's own panel, kept by the SHA-256 of their cookie's value.

use super::error::Error;
use super::row::{flag, instant, number, optional_number, optional_text};
use super::store::Connection;
use igny8_contract::ids::UserId;
use igny8_contract::messages::SessionFacts;
use igny8_contract::time::Timestamp;

/// Whose session it is; nothing where it is unknown, over, or its user is shut out.
///
/// # Errors
/// What the database says.
pub async fn facts(
    connection: &mut Connection,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<Option<SessionFacts>, Error> {
    let row = sqlx::query(
        "SELECT users.id, users.account_id, users.platform_role, users.is_superuser FROM admin_session \
         JOIN users ON users.id = admin_session.user_id WHERE admin_session.token_hash = $1 \
         AND admin_session.ended_at_us IS NULL AND admin_session.expires_at_us > $2 AND users.is_active = 1",
    )
    .bind(token_hash.to_vec())
    .bind(now.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SessionFacts {
        authenticated: true,
        is_staff: optional_text(&row, "platform_role")?.is_some(),
        is_superuser: flag(&row, "is_superuser")?,
        user_id: Some(number(&row, "id")?),
        account_id: Some(number(&row, "account_id")?),
    }))
}

/// Ends a session and says whose it was; nothing where there was none to end.
///
/// # Errors
/// What the database says.
pub async fn end(connection: &mut Connection, token_hash: &[u8], now: Timestamp) -> Result<Option<UserId>, Error> {
    let row = sqlx::query(
        "UPDATE admin_session SET ended_at_us = $2 WHERE token_hash = $1 AND ended_at_us IS NULL RETURNING user_id",
    )
    .bind(token_hash.to_vec())
    .bind(now.0)
    .fetch_optional(connection)
    .await?;
    row.map(|row| number(&row, "user_id").map(UserId)).transpose()
}

/// Ends every session of a user.
///
/// # Errors
/// What the database says.
pub async fn end_all(connection: &mut Connection, user_id: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE admin_session SET ended_at_us = $2 WHERE user_id = $1 AND ended_at_us IS NULL")
        .bind(user_id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// A session that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    pub user_id: UserId,
    pub created_at: Timestamp,
    /// When it is over unless it is used again.
    pub expires_at: Timestamp,
}

/// Begins a session.
///
/// # Errors
/// What the database says.
pub async fn begin(
    connection: &mut Connection,
    token_hash: &[u8],
    user_id: UserId,
    address: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO admin_session (token_hash, user_id, created_at_us, expires_at_us, address) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(token_hash.to_vec())
    .bind(user_id.0)
    .bind(now.0)
    .bind(expires_at.0)
    .bind(address)
    .execute(connection)
    .await?;
    Ok(())
}

/// The session, if it runs.
///
/// # Errors
/// What the database says.
pub async fn running(connection: &mut Connection, token_hash: &[u8], now: Timestamp) -> Result<Option<Running>, Error> {
    let row = sqlx::query(
        "SELECT user_id, created_at_us, expires_at_us FROM admin_session WHERE token_hash = $1 \
         AND ended_at_us IS NULL AND expires_at_us > $2",
    )
    .bind(token_hash.to_vec())
    .bind(now.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Running {
        user_id: UserId(number(&row, "user_id")?),
        created_at: instant(&row, "created_at_us")?,
        expires_at: instant(&row, "expires_at_us")?,
    }))
}

/// Lets a running session go on until `expires_at`.
///
/// # Errors
/// What the database says.
pub async fn prolong(
    connection: &mut Connection,
    token_hash: &[u8],
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE admin_session SET expires_at_us = $2 WHERE token_hash = $1 AND ended_at_us IS NULL \
         AND expires_at_us > $3 AND expires_at_us < $2",
    )
    .bind(token_hash.to_vec())
    .bind(expires_at.0)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a session has been over since before `before`.
///
/// # Errors
/// What the database says.
pub async fn any_over(connection: &mut Connection, before: Timestamp) -> Result<bool, Error> {
    let row = sqlx::query("SELECT MIN(expires_at_us) AS oldest_us FROM admin_session")
        .fetch_one(connection)
        .await?;
    Ok(optional_number(&row, "oldest_us")?.is_some_and(|oldest| oldest < before.0))
}

/// Forgets sessions that would have been over before `before` in any case, at most `limit` of them, and says how many.
///
/// # Errors
/// What the database says.
pub async fn sweep(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let swept = sqlx::query(
        "DELETE FROM admin_session WHERE id IN \
         (SELECT id FROM admin_session WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}
