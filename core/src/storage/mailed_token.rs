//! Links that are mailed: mail that waits to be sent, and the single use that each link is good for.

use super::bulk;
use super::error::Error;
use super::row::{bytes, instant, number, text, word};
use super::store::Connection;
use crate::domain::link::Purpose;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::time::Timestamp;

/// A link that is to be mailed.
#[derive(Clone, Copy, Debug)]
pub struct NewLink {
    pub purpose: Purpose,
    /// What, together with a key that is in no database, makes its token.
    pub nonce: [u8; 32],
    pub token_hash: [u8; 32],
    pub expires_at: Timestamp,
}

/// Adds a link for the user of an e-mail address who is not shut out. For an address of nobody it adds nothing, by the
/// same statement; it says nothing of which it was.
///
/// # Errors
/// What the database says.
pub async fn insert(connection: &mut Connection, email: &str, new: &NewLink, now: Timestamp) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO mailed_token (purpose, user_id, recipient, nonce, token_hash, created_at_us, expires_at_us, \
         due_at_us) SELECT $2, id, email, $3, $4, $5, $6, $5 FROM users WHERE email = $1 AND is_active = 1",
    )
    .bind(email)
    .bind(new.purpose.as_str())
    .bind(new.nonce.to_vec())
    .bind(new.token_hash.to_vec())
    .bind(now.0)
    .bind(new.expires_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// A link and whom it goes to.
#[derive(Clone, Copy, Debug)]
pub struct Addressed<'a> {
    /// Of whom it is: of the recipient, or of the user who invites somebody who is no user yet.
    pub user_id: UserId,
    pub recipient: &'a str,
    pub link: &'a NewLink,
    /// When it was made.
    pub now: Timestamp,
}

/// Adds links for people who are known to be there.
///
/// # Errors
/// What the database says.
pub async fn insert_addressed(connection: &mut Connection, new: &[Addressed<'_>]) -> Result<(), Error> {
    let text = "INSERT INTO mailed_token (purpose, user_id, recipient, nonce, token_hash, created_at_us, \
                expires_at_us, due_at_us) VALUES {}";
    bulk::execute(connection, text, &["?"; 8], new, |insert, new| {
        insert
            .bind(new.link.purpose.as_str())
            .bind(new.user_id.0)
            .bind(new.recipient)
            .bind(new.link.nonce.to_vec())
            .bind(new.link.token_hash.to_vec())
            .bind(new.now.0)
            .bind(new.link.expires_at.0)
            .bind(new.now.0)
    })
    .await?;
    Ok(())
}

/// Takes back what is left of the mail of invitations of an account that were accepted or revoked.
///
/// # Errors
/// What the database says.
pub async fn void_closed_invitations(
    connection: &mut Connection,
    account_id: AccountId,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE mailed_token SET used_at_us = $2, due_at_us = NULL WHERE purpose = 'invitation' \
         AND used_at_us IS NULL AND token_hash IN (SELECT token_hash FROM invitation WHERE account_id = $1 \
         AND (accepted_at_us IS NOT NULL OR revoked_at_us IS NOT NULL))",
    )
    .bind(account_id.0)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whose link this is, and the address that it was sent to; nothing where it is unknown, used or too old.
///
/// # Errors
/// What the database says.
pub async fn owner(
    connection: &mut Connection,
    purpose: Purpose,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<(UserId, String)>, Error> {
    let row = sqlx::query(
        "SELECT user_id, recipient FROM mailed_token WHERE token_hash = $1 AND purpose = $2 AND used_at_us IS NULL \
         AND expires_at_us > $3",
    )
    .bind(token_hash.to_vec())
    .bind(purpose.as_str())
    .bind(now.0)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((UserId(number(&row, "user_id")?), text(&row, "recipient")?)))
        .transpose()
}

/// Uses a link up and says whether that was still possible: of several who try, one can.
///
/// # Errors
/// What the database says.
pub async fn use_up(connection: &mut Connection, token_hash: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE mailed_token SET used_at_us = $2, due_at_us = NULL WHERE token_hash = $1 AND used_at_us IS NULL \
         AND expires_at_us > $2",
    )
    .bind(token_hash.to_vec())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes every other link of a user for this purpose worthless, sent or not.
///
/// # Errors
/// What the database says.
pub async fn void_all(
    connection: &mut Connection,
    user_id: UserId,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE mailed_token SET used_at_us = $3, due_at_us = NULL WHERE user_id = $1 AND purpose = $2 \
         AND used_at_us IS NULL",
    )
    .bind(user_id.0)
    .bind(purpose.as_str())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// A mail that somebody has taken on.
#[derive(Clone, Debug)]
pub struct Due {
    pub id: i64,
    pub purpose: Purpose,
    pub recipient: String,
    pub nonce: [u8; 32],
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// This one included.
    pub tries: i64,
}

/// The mails that are due, at most `limit` of them.
///
/// # Errors
/// What the database says.
pub async fn due(connection: &mut Connection, now: Timestamp, limit: i64) -> Result<Vec<i64>, Error> {
    let rows = sqlx::query(
        "SELECT id FROM mailed_token WHERE due_at_us IS NOT NULL AND due_at_us <= $1 ORDER BY due_at_us, id LIMIT $2",
    )
    .bind(now.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| number(row, "id")).collect()
}

/// Takes a mail on until `until`, when others may try it again; nothing where somebody else was faster.
///
/// # Errors
/// What the database says.
pub async fn take_on(
    connection: &mut Connection,
    id: i64,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Due>, Error> {
    let row = sqlx::query(
        "UPDATE mailed_token SET due_at_us = $2, tries = tries + 1 WHERE id = $1 AND due_at_us <= $3 \
         RETURNING id, purpose, recipient, nonce, created_at_us, expires_at_us, tries",
    )
    .bind(id)
    .bind(until.0)
    .bind(now.0)
    .fetch_optional(connection)
    .await?;
    let due = |row| {
        Ok(Due {
            id: number(&row, "id")?,
            purpose: word(&row, "purpose", Purpose::parse)?,
            recipient: text(&row, "recipient")?,
            nonce: bytes(&row, "nonce")?,
            created_at: instant(&row, "created_at_us")?,
            expires_at: instant(&row, "expires_at_us")?,
            tries: number(&row, "tries")?,
        })
    };
    row.map(due).transpose()
}

/// Notes that a mail was sent.
///
/// # Errors
/// What the database says.
pub async fn sent(connection: &mut Connection, id: i64, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE mailed_token SET sent_at_us = $2, due_at_us = NULL WHERE id = $1")
        .bind(id)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes when a mail is tried again; nothing where it is given up. One that was used up meanwhile stays so.
///
/// # Errors
/// What the database says.
pub async fn postpone(connection: &mut Connection, id: i64, until: Option<Timestamp>) -> Result<(), Error> {
    sqlx::query("UPDATE mailed_token SET due_at_us = $2 WHERE id = $1 AND due_at_us IS NOT NULL")
        .bind(id)
        .bind(until.map(|until| until.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a link ended before `before`.
///
/// # Errors
/// What the database says.
pub async fn any_over(connection: &mut Connection, before: Timestamp) -> Result<bool, Error> {
    let row = sqlx::query("SELECT MIN(expires_at_us) AS oldest_us FROM mailed_token")
        .fetch_one(connection)
        .await?;
    Ok(super::row::optional_number(&row, "oldest_us")?.is_some_and(|oldest| oldest < before.0))
}

/// Forgets links that ended before `before`, at most `limit` of them, and says how many.
///
/// # Errors
/// What the database says.
pub async fn sweep(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let swept = sqlx::query(
        "DELETE FROM mailed_token WHERE id IN \
         (SELECT id FROM mailed_token WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}
