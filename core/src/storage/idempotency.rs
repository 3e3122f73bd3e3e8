//! What was answered under an Idempotency-Key.

use super::bulk;
use super::error::Error;
use super::row::{bytes, number, optional_number, text};
use super::store::Connection;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// A digest of account, user, route and key.
pub type Scope = [u8; 32];

/// Which request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    pub scope: Scope,
    /// A digest of the request's body.
    pub body_digest: [u8; 32],
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    pub body_digest: [u8; 32],
    /// The HTTP status.
    pub status: i64,
    /// JSON text. Never a secret.
    pub answer: String,
}

/// An answer that is to be kept.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    pub key: RequestKey,
    pub account_id: AccountId,
    pub status: i64,
    pub answer: String,
}

/// The answers that are kept for these scopes.
///
/// # Errors
/// What the database says.
pub async fn find(connection: &mut Connection, scopes: &[Scope]) -> Result<HashMap<Scope, StoredAnswer>, Error> {
    let select = "SELECT scope, body_digest, status, answer FROM idempotency_key WHERE scope IN {}";
    let rows = bulk::find(connection, select, scopes, |select, scope| select.bind(scope.to_vec())).await?;
    let answer = |row: &AnyRow| {
        let answer = StoredAnswer {
            body_digest: bytes(row, "body_digest")?,
            status: number(row, "status")?,
            answer: text(row, "answer")?,
        };
        Ok((bytes(row, "scope")?, answer))
    };
    rows.iter().map(answer).collect()
}

/// Keeps these answers.
///
/// # Errors
/// [`Error::Raced`] where another transaction has answered one of them meanwhile; what the database says.
pub async fn keep(connection: &mut Connection, answers: &[NewAnswer], now: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO idempotency_key (scope, account_id, body_digest, status, answer, created_at_us) VALUES {} \
                ON CONFLICT (scope) DO NOTHING";
    let stored = bulk::execute(connection, text, &["?"; 6], answers, |insert, new| {
        insert
            .bind(new.key.scope.to_vec())
            .bind(new.account_id.0)
            .bind(new.key.body_digest.to_vec())
            .bind(new.status)
            .bind(&new.answer)
            .bind(now.0)
    })
    .await?;
    if stored == answers.len() as u64 {
        Ok(())
    } else {
        Err(Error::Raced)
    }
}

/// When the oldest answer was given; nothing where there is none.
///
/// # Errors
/// What the database says.
pub async fn oldest(connection: &mut Connection) -> Result<Option<Timestamp>, Error> {
    let row = sqlx::query("SELECT MIN(created_at_us) AS oldest_us FROM idempotency_key")
        .fetch_one(connection)
        .await?;
    Ok(optional_number(&row, "oldest_us")?.map(Timestamp))
}

/// Forgets answers from before `before`, at most `limit` of them, and says how many.
///
/// # Errors
/// What the database says.
pub async fn sweep(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let swept = sqlx::query(
        "DELETE FROM idempotency_key WHERE scope IN \
         (SELECT scope FROM idempotency_key WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}
