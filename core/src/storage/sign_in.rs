//! Sign-ins: what the `sid` of access tokens names.

use super::error::Error;
use super::store::Connection;
use igny8_contract::ids::UserId;
use igny8_contract::time::Timestamp;

/// Adds a sign-in.
///
/// # Errors
/// What the database says.
pub async fn insert(connection: &mut Connection, sid: &str, user_id: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("INSERT INTO sign_in (sid, user_id, created_at_us) VALUES ($1, $2, $3)")
        .bind(sid)
        .bind(user_id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends a running sign-in of this user and says whether there was one.
///
/// # Errors
/// What the database says.
pub async fn end(connection: &mut Connection, sid: &str, user_id: UserId, now: Timestamp) -> Result<bool, Error> {
    let done =
        sqlx::query("UPDATE sign_in SET ended_at_us = $3 WHERE sid = $1 AND user_id = $2 AND ended_at_us IS NULL")
            .bind(sid)
            .bind(user_id.0)
            .bind(now.0)
            .execute(connection)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends every running sign-in of a user.
///
/// # Errors
/// What the database says.
pub async fn end_all(connection: &mut Connection, user_id: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE sign_in SET ended_at_us = $2 WHERE user_id = $1 AND ended_at_us IS NULL")
        .bind(user_id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}
