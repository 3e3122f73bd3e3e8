//! API keys, kept by the SHA-256 of the whole key.

use super::bulk;
use super::error::Error;
use super::row::{instant, number, optional_number, text, word};
use super::store::Connection;
use crate::domain::api_key::ApiKey;
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "api_key.id, api_key.account_id, api_key.user_id, api_key.name, api_key.visible, api_key.role, \
         api_key.replaces_id, api_key.created_at_us, api_key.expires_at_us, api_key.last_used_at_us, \
         api_key.revoked_at_us, \
         (SELECT COUNT(*) FROM api_key AS next WHERE next.replaces_id = api_key.id) AS followers"
    };
}

/// How a key is found by the SHA-256 `$1`: by one step through an index, however many there are.
pub const BY_HASH: &str = concat!("SELECT ", columns!(), " FROM api_key WHERE api_key.secret_hash = $1");

/// A key that is about to begin.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub account_id: AccountId,
    pub user_id: UserId,
    pub name: String,
    pub visible: String,
    pub secret_hash: [u8; 32],
    pub role: AccountRole,
    pub replaces: Option<ApiKeyId>,
    pub expires_at: Option<Timestamp>,
}

fn key(row: &AnyRow) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        id: ApiKeyId(number(row, "id")?),
        account_id: AccountId(number(row, "account_id")?),
        user_id: UserId(number(row, "user_id")?),
        name: text(row, "name")?,
        visible: text(row, "visible")?,
        role: word(row, "role", AccountRole::parse)?,
        replaces: optional_number(row, "replaces_id")?.map(ApiKeyId),
        is_replaced: number(row, "followers")? > 0,
        created_at: instant(row, "created_at_us")?,
        expires_at: optional_number(row, "expires_at_us")?.map(Timestamp),
        last_used_at: optional_number(row, "last_used_at_us")?.map(Timestamp),
        revoked_at: optional_number(row, "revoked_at_us")?.map(Timestamp),
    })
}

/// Adds a key.
///
/// # Errors
/// What the database says.
pub async fn insert(connection: &mut Connection, new: &NewKey, now: Timestamp) -> Result<ApiKeyId, Error> {
    let row = sqlx::query(
        "INSERT INTO api_key (account_id, user_id, name, visible, secret_hash, role, replaces_id, created_at_us, \
         expires_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
    )
    .bind(new.account_id.0)
    .bind(new.user_id.0)
    .bind(&new.name)
    .bind(&new.visible)
    .bind(new.secret_hash.to_vec())
    .bind(new.role.as_str())
    .bind(new.replaces.map(|id| id.0))
    .bind(now.0)
    .bind(new.expires_at.map(|end| end.0))
    .fetch_one(connection)
    .await?;
    Ok(ApiKeyId(number(&row, "id")?))
}

/// The key with this SHA-256.
///
/// # Errors
/// What the database says.
pub async fn by_hash(connection: &mut Connection, hash: [u8; 32]) -> Result<Option<ApiKey>, Error> {
    let row = sqlx::query(BY_HASH)
        .bind(hash.to_vec())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(key).transpose()
}

/// One key.
///
/// # Errors
/// What the database says.
pub async fn by_id(connection: &mut Connection, id: ApiKeyId) -> Result<Option<ApiKey>, Error> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM api_key WHERE api_key.id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(key).transpose()
}

/// The newest `limit` keys of an account whose number lies below `before`, newest first.
///
/// # Errors
/// What the database says.
pub async fn page(
    connection: &mut Connection,
    account_id: AccountId,
    before: i64,
    limit: i64,
) -> Result<Vec<ApiKey>, Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM api_key WHERE api_key.account_id = $1 AND api_key.id < $2 ORDER BY api_key.id DESC LIMIT $3"
    ))
    .bind(account_id.0)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(key).collect()
}

/// How many keys of an account have not been revoked and have not ended by `now`.
///
/// # Errors
/// What the database says.
pub async fn count_working(connection: &mut Connection, account_id: AccountId, now: Timestamp) -> Result<i64, Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS working FROM api_key WHERE account_id = $1 AND revoked_at_us IS NULL \
         AND (expires_at_us IS NULL OR expires_at_us > $2)",
    )
    .bind(account_id.0)
    .bind(now.0)
    .fetch_one(connection)
    .await?;
    number(&row, "working")
}

/// Sets the end of a key.
///
/// # Errors
/// What the database says.
pub async fn end_at(connection: &mut Connection, id: ApiKeyId, end: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE api_key SET expires_at_us = $2 WHERE id = $1")
        .bind(id.0)
        .bind(end.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes a key; one that is revoked already stays as it is.
///
/// # Errors
/// What the database says.
pub async fn revoke(connection: &mut Connection, id: ApiKeyId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE api_key SET revoked_at_us = $2 WHERE id = $1 AND revoked_at_us IS NULL")
        .bind(id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes every key that a user has made, and says how many those were.
///
/// # Errors
/// What the database says.
pub async fn revoke_all_of(connection: &mut Connection, user_id: UserId, now: Timestamp) -> Result<u64, Error> {
    let done = sqlx::query("UPDATE api_key SET revoked_at_us = $2 WHERE user_id = $1 AND revoked_at_us IS NULL")
        .bind(user_id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Notes when keys were last used. A later use that is known already stays.
///
/// # Errors
/// What the database says.
pub async fn note_uses(connection: &mut Connection, uses: &[(ApiKeyId, Timestamp)]) -> Result<(), Error> {
    let text = "UPDATE api_key SET last_used_at_us = used.column2 FROM (VALUES {}) AS used \
                WHERE api_key.id = used.column1 \
                AND (api_key.last_used_at_us IS NULL OR api_key.last_used_at_us < used.column2)";
    bulk::execute(connection, text, &["CAST(? AS BIGINT)"; 2], uses, |update, (id, at)| {
        update.bind(id.0).bind(at.0)
    })
    .await?;
    Ok(())
}
