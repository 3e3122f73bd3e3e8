//! What was answered under an Idempotency-Key.

use super::bulk::{groups, query, values};
use super::error::Error;
use super::row::{bytes, number, optional_number, text};
use super::store::Connection;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
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
    let mut found = HashMap::new();
    for group in groups(scopes) {
        let text_ = format!(
            "SELECT scope, body_digest, status, answer FROM idempotency_key WHERE scope IN {}",
            super::purse::ids(group.len())
        );
        let mut select = query(text_);
        for scope in group {
            select = select.bind(scope.to_vec());
        }
        for row in select.fetch_all(&mut *connection).await? {
            let answer = StoredAnswer {
                body_digest: bytes(&row, "body_digest")?,
                status: number(&row, "status")?,
                answer: text(&row, "answer")?,
            };
            found.insert(bytes(&row, "scope")?, answer);
        }
    }
    Ok(found)
}

/// Keeps these answers.
///
/// # Errors
/// [`Error::Raced`] where another transaction has answered one of them meanwhile; what the database says.
pub async fn keep(connection: &mut Connection, answers: &[NewAnswer], now: Timestamp) -> Result<(), Error> {
    for group in groups(answers) {
        let text = format!(
            "INSERT INTO idempotency_key (scope, account_id, body_digest, status, answer, created_at_us) VALUES {} \
             ON CONFLICT (scope) DO NOTHING",
            values(group.len(), &["?"; 6])
        );
        let mut insert = query(text);
        for new in group {
            insert = insert
                .bind(new.key.scope.to_vec())
                .bind(new.account_id.0)
                .bind(new.key.body_digest.to_vec())
                .bind(new.status)
                .bind(&new.answer)
                .bind(now.0);
        }
        let stored = insert.execute(&mut *connection).await?.rows_affected();
        if stored != group.len() as u64 {
            return Err(Error::Raced);
        }
    }
    Ok(())
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
