//! The second factor of users: its sealed secret, the newest code that was used, and recovery codes by their hashes.

use super::bulk;
use super::error::Error;
use super::row::{number, optional_number};
use super::store::Connection;
use igny8_contract::ids::UserId;
use igny8_contract::time::Timestamp;
use sqlx::Row;

/// A second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totp {
    /// Opens with a key that is in no database.
    pub sealed_secret: Vec<u8>,
    /// The time step of the newest code that was used; 0 for none.
    pub last_step: i64,
    /// Nothing until a code has shown that the user has the secret.
    pub confirmed_at: Option<Timestamp>,
}

impl Totp {
    /// Where it stands, in a word for the audit.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if self.confirmed_at.is_some() { "on" } else { "begun" }
    }
}

/// The second factor of a user, confirmed or not.
///
/// # Errors
/// What the database says.
pub async fn of_user(connection: &mut Connection, user_id: UserId) -> Result<Option<Totp>, Error> {
    let row = sqlx::query("SELECT sealed_secret, last_step, confirmed_at_us FROM totp WHERE user_id = $1")
        .bind(user_id.0)
        .fetch_optional(connection)
        .await?;
    let totp = |row: sqlx::any::AnyRow| {
        Ok(Totp {
            sealed_secret: row.try_get("sealed_secret")?,
            last_step: number(&row, "last_step")?,
            confirmed_at: optional_number(&row, "confirmed_at_us")?.map(Timestamp),
        })
    };
    row.map(totp).transpose()
}

/// Begins to enrol a user, or begins anew; says whether there was no confirmed second factor in the way.
///
/// # Errors
/// What the database says.
pub async fn begin(
    connection: &mut Connection,
    user_id: UserId,
    sealed_secret: &[u8],
    now: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO totp (user_id, sealed_secret, last_step, created_at_us) VALUES ($1, $2, 0, $3) \
         ON CONFLICT (user_id) DO UPDATE SET sealed_secret = $2, last_step = 0, created_at_us = $3 \
         WHERE totp.confirmed_at_us IS NULL",
    )
    .bind(user_id.0)
    .bind(sealed_secret.to_vec())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Confirms a second factor, with the hashes of its recovery codes.
///
/// # Errors
/// What the database says.
pub async fn confirm(
    connection: &mut Connection,
    user_id: UserId,
    code_hashes: &[[u8; 32]],
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query("UPDATE totp SET confirmed_at_us = $2 WHERE user_id = $1")
        .bind(user_id.0)
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
    let text = "INSERT INTO totp_recovery_code (user_id, code_hash) VALUES {}";
    bulk::execute(connection, text, &["?"; 2], code_hashes, |insert, hash| {
        insert.bind(user_id.0).bind(hash.to_vec())
    })
    .await?;
    Ok(())
}

/// Notes that the code of a time step was used, and says whether none as new was before.
///
/// # Errors
/// What the database says.
pub async fn use_step(connection: &mut Connection, user_id: UserId, step: i64) -> Result<bool, Error> {
    let done = sqlx::query("UPDATE totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2")
        .bind(user_id.0)
        .bind(step)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Uses a recovery code up, and says whether that was still possible.
///
/// # Errors
/// What the database says.
pub async fn use_recovery_code(
    connection: &mut Connection,
    user_id: UserId,
    code_hash: &[u8; 32],
    now: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE totp_recovery_code SET used_at_us = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at_us IS NULL",
    )
    .bind(user_id.0)
    .bind(code_hash.to_vec())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many recovery codes a user has left.
///
/// # Errors
/// What the database says.
pub async fn recovery_codes_left(connection: &mut Connection, user_id: UserId) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) AS codes FROM totp_recovery_code WHERE user_id = $1 AND used_at_us IS NULL")
        .bind(user_id.0)
        .fetch_one(connection)
        .await?;
    number(&row, "codes")
}

/// Takes a second factor away, and says whether there was one.
///
/// # Errors
/// What the database says.
pub async fn remove(connection: &mut Connection, user_id: UserId) -> Result<bool, Error> {
    sqlx::query("DELETE FROM totp_recovery_code WHERE user_id = $1")
        .bind(user_id.0)
        .execute(&mut *connection)
        .await?;
    let done = sqlx::query("DELETE FROM totp WHERE user_id = $1")
        .bind(user_id.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}
