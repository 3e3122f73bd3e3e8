//! Sign-ins: what the `sid` of access tokens names; and the refresh tokens that keep them going.
//!
//! Whoever ends sign-ins does so here: in [`end`], [`end_by_id`], [`end_all`] or [`end_others`].

use super::bulk;
use super::error::Error;
use super::row::{bytes, instant, number, optional_number, text};
use super::store::Connection;
use crate::domain::sign_in::{Link, Spent};
use igny8_contract::ids::UserId;
use igny8_contract::time::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// A sign-in that begins.
#[derive(Clone, Debug)]
pub struct NewSignIn {
    pub sid: String,
    /// What refresh tokens find it by.
    pub family_hash: [u8; 32],
    /// The SHA-256 of its first refresh token.
    pub token_hash: [u8; 32],
    pub address: String,
    pub user_agent: String,
    pub expires_at: Timestamp,
}

/// A sign-in as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    pub id: i64,
    pub sid: String,
    pub user_id: UserId,
    pub address: String,
    pub user_agent: String,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "id, sid, user_id, address, user_agent, created_at_us, last_used_at_us, expires_at_us, ended_at_us";

fn sign_in(row: &AnyRow) -> Result<SignIn, Error> {
    Ok(SignIn {
        id: number(row, "id")?,
        sid: text(row, "sid")?,
        user_id: UserId(number(row, "user_id")?),
        address: text(row, "address")?,
        user_agent: text(row, "user_agent")?,
        created_at: instant(row, "created_at_us")?,
        last_used_at: instant(row, "last_used_at_us")?,
        expires_at: instant(row, "expires_at_us")?,
        ended_at: optional_number(row, "ended_at_us")?.map(Timestamp),
    })
}

/// Adds a sign-in with its first refresh token.
///
/// # Errors
/// What the database says.
pub async fn insert(
    connection: &mut Connection,
    user_id: UserId,
    new: &NewSignIn,
    now: Timestamp,
) -> Result<(), Error> {
    insert_all(connection, &[(user_id, new, now)]).await
}

/// Adds sign-ins with their first refresh tokens, each as begun at its own instant.
///
/// # Errors
/// What the database says.
pub async fn insert_all(connection: &mut Connection, new: &[(UserId, &NewSignIn, Timestamp)]) -> Result<(), Error> {
    let insert = "INSERT INTO sign_in (sid, user_id, created_at_us, last_used_at_us, expires_at_us, address, \
                  user_agent, family_hash) VALUES {} RETURNING id, sid";
    let rows = bulk::fetch(connection, insert, &["?"; 8], new, |insert, (user_id, new, now)| {
        insert
            .bind(&new.sid)
            .bind(user_id.0)
            .bind(now.0)
            .bind(now.0)
            .bind(new.expires_at.0)
            .bind(&new.address)
            .bind(&new.user_agent)
            .bind(new.family_hash.to_vec())
    })
    .await?;
    let hashes: HashMap<&str, &[u8; 32]> = new
        .iter()
        .map(|(_, new, _)| (new.sid.as_str(), &new.token_hash))
        .collect();
    let mut links = Vec::with_capacity(rows.len());
    for row in &rows {
        let sid = text(row, "sid")?;
        let hash = hashes.get(sid.as_str()).copied();
        let hash = hash.ok_or_else(|| Error::Unexpected("another sign-in than was added".into()))?;
        links.push((number(row, "id")?, 1, hash));
    }
    add_links(connection, &links).await
}

/// Adds refresh tokens: of which sign-in, of which generation, and their SHA-256.
async fn add_links(connection: &mut Connection, links: &[(i64, i64, &[u8; 32])]) -> Result<(), Error> {
    let text = "INSERT INTO refresh_token (sign_in_id, generation, token_hash) VALUES {}";
    bulk::execute(connection, text, &["?"; 3], links, |insert, link| {
        let (id, generation, token_hash) = *link;
        insert.bind(id).bind(generation).bind(token_hash.to_vec())
    })
    .await?;
    Ok(())
}

/// The sign-in of a family, running or not. Until the transaction ends nobody else reads it this way.
///
/// # Errors
/// What the database says.
pub async fn lock_family(connection: &mut Connection, family_hash: &[u8; 32]) -> Result<Option<SignIn>, Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "UPDATE sign_in SET family_hash = family_hash WHERE family_hash = $1 RETURNING {COLUMNS}"
    )))
    .bind(family_hash.to_vec())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(sign_in).transpose()
}

/// The refresh tokens of a sign-in that are still remembered, oldest first.
///
/// # Errors
/// What the database says.
pub async fn links(connection: &mut Connection, id: i64) -> Result<Vec<Link>, Error> {
    let rows = sqlx::query(
        "SELECT generation, token_hash, next_nonce, spent_at_us FROM refresh_token WHERE sign_in_id = $1 \
         ORDER BY generation",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    let link = |row: &AnyRow| {
        let spent = match optional_number(row, "spent_at_us")? {
            None => None,
            Some(at) => Some(Spent {
                nonce: bytes(row, "next_nonce")?,
                at: Timestamp(at),
            }),
        };
        Ok(Link {
            generation: number(row, "generation")?,
            token_hash: bytes(row, "token_hash")?,
            spent,
        })
    };
    rows.iter().map(link).collect()
}

/// Spends the token of this generation, adds the next one, and forgets those that were spent before `forgotten`.
///
/// # Errors
/// What the database says.
pub async fn rotate(
    connection: &mut Connection,
    id: i64,
    generation: i64,
    spent: Spent,
    next_hash: &[u8; 32],
    forgotten: Timestamp,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM refresh_token WHERE sign_in_id = $1 AND spent_at_us < $2")
        .bind(id)
        .bind(forgotten.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE refresh_token SET next_nonce = $3, spent_at_us = $4 WHERE sign_in_id = $1 AND generation = $2 \
         AND spent_at_us IS NULL",
    )
    .bind(id)
    .bind(generation)
    .bind(spent.nonce.to_vec())
    .bind(spent.at.0)
    .execute(&mut *connection)
    .await?;
    add_links(connection, &[(id, generation + 1, next_hash)]).await
}

/// Notes that a sign-in was used and goes on until `expires_at`.
///
/// # Errors
/// What the database says.
pub async fn touch(
    connection: &mut Connection,
    id: i64,
    address: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query("UPDATE sign_in SET last_used_at_us = $2, expires_at_us = $3, address = $4 WHERE id = $1")
        .bind(id)
        .bind(now.0)
        .bind(expires_at.0)
        .bind(address)
        .execute(connection)
        .await?;
    Ok(())
}

/// The running sign-ins of a user, the newest first.
///
/// # Errors
/// What the database says.
pub async fn running(connection: &mut Connection, user_id: UserId, now: Timestamp) -> Result<Vec<SignIn>, Error> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM sign_in WHERE user_id = $1 AND ended_at_us IS NULL AND expires_at_us > $2 \
         ORDER BY id DESC LIMIT 200"
    )))
    .bind(user_id.0)
    .bind(now.0)
    .fetch_all(connection)
    .await?;
    rows.iter().map(sign_in).collect()
}

/// Whether the user of this e-mail address has signed in from there before, in the app or at the panel.
///
/// # Errors
/// What the database says.
pub async fn is_known_address(connection: &mut Connection, email: &str, address: &str) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS known FROM users WHERE users.email = $1 AND (\
         EXISTS (SELECT 1 FROM sign_in WHERE sign_in.user_id = users.id AND sign_in.address = $2) OR \
         EXISTS (SELECT 1 FROM admin_session WHERE admin_session.user_id = users.id AND admin_session.address = $2))",
    )
    .bind(email)
    .bind(address)
    .fetch_one(connection)
    .await?;
    Ok(number(&row, "known")? > 0)
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

/// Ends a running sign-in of this user by its number and says whether there was one.
///
/// # Errors
/// What the database says.
pub async fn end_by_id(connection: &mut Connection, id: i64, user_id: UserId, now: Timestamp) -> Result<bool, Error> {
    let done =
        sqlx::query("UPDATE sign_in SET ended_at_us = $3 WHERE id = $1 AND user_id = $2 AND ended_at_us IS NULL")
            .bind(id)
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
    end_others(connection, user_id, "", now).await
}

/// Ends every running sign-in of a user but this one.
///
/// # Errors
/// What the database says.
pub async fn end_others(
    connection: &mut Connection,
    user_id: UserId,
    kept_sid: &str,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query("UPDATE sign_in SET ended_at_us = $3 WHERE user_id = $1 AND sid <> $2 AND ended_at_us IS NULL")
        .bind(user_id.0)
        .bind(kept_sid)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The sign-ins that have been over since before `before`, at most `limit` of them.
///
/// # Errors
/// What the database says.
pub async fn over(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<Vec<i64>, Error> {
    let rows = sqlx::query(
        "SELECT id FROM (SELECT id FROM sign_in WHERE ended_at_us IS NOT NULL AND ended_at_us < $1 UNION ALL \
         SELECT id FROM sign_in WHERE ended_at_us IS NULL AND expires_at_us < $1 AND created_at_us < $1) AS gone LIMIT $2",
    )
    .bind(before.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// Forgets sign-ins with their refresh tokens.
///
/// # Errors
/// What the database says.
pub async fn forget(connection: &mut Connection, ids: &[i64]) -> Result<(), Error> {
    for id in ids {
        for statement in [
            "DELETE FROM refresh_token WHERE sign_in_id = $1",
            "DELETE FROM sign_in WHERE id = $1",
        ] {
            sqlx::query(statement).bind(id).execute(&mut *connection).await?;
        }
    }
    Ok(())
}
