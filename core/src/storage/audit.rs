//! Reading the audit of one account.

use super::error::Error;
use super::row::{instant, number, optional_number, optional_text, text};
use super::store::Connection;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub id: i64,
    /// `user`, `staff`, `command` or `system`.
    pub actor_kind: String,
    pub actor_user_id: Option<i64>,
    /// Of the user who acted.
    pub actor_email: Option<String>,
    /// The key by which they acted.
    pub actor_key_id: Option<i64>,
    pub action: String,
    /// A JSON object.
    pub detail: String,
    pub request_id: String,
    pub created_at: Timestamp,
}

fn line(row: &AnyRow) -> Result<Line, Error> {
    Ok(Line {
        id: number(row, "id")?,
        actor_kind: text(row, "actor_kind")?,
        actor_user_id: optional_number(row, "actor_user_id")?,
        actor_email: optional_text(row, "actor_email")?,
        actor_key_id: optional_number(row, "actor_key_id")?,
        action: text(row, "action")?,
        detail: text(row, "detail")?,
        request_id: text(row, "request_id")?,
        created_at: instant(row, "created_at_us")?,
    })
}

/// The newest `limit` lines of an account whose number lies below `before`, newest first.
///
/// # Errors
/// What the database says.
pub async fn page(
    connection: &mut Connection,
    account_id: AccountId,
    before: i64,
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let rows = sqlx::query(
        "SELECT audit.id, audit.actor_kind, audit.actor_user_id, users.email AS actor_email, audit.actor_key_id, \
         audit.action, audit.detail, audit.request_id, audit.created_at_us FROM audit \
         LEFT JOIN users ON users.id = audit.actor_user_id \
         WHERE audit.account_id = $1 AND audit.id < $2 ORDER BY audit.id DESC LIMIT $3",
    )
    .bind(account_id.0)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(line).collect()
}
