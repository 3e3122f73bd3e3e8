//! Sessions of core's own panel, kept by the SHA-256 of their cookie's value.

use super::error::Error;
use super::row::{flag, number, optional_text};
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
