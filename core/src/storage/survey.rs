//! Reading everything back, account by account, for the doctor.

use super::error::Error;
use super::row::{instant, number, text, word};
use super::store::Connection;
use crate::domain::account::AccountKind;
use crate::domain::ledger::{LedgerHead, Movement};
use crate::domain::period::Period;
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;

/// What the doctor looks at in one account.
#[derive(Clone, Debug)]
pub struct AccountSurvey {
    pub id: AccountId,
    pub kind: AccountKind,
    pub status: String,
    pub ledger: LedgerHead,
    /// Every entry, oldest first.
    pub movements: Vec<Movement>,
    pub users: i64,
    pub owners: i64,
    pub audit_lines: i64,
    pub subscriptions: Vec<SubscriptionSurvey>,
}

/// What the doctor looks at in one subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionSurvey {
    pub id: i64,
    pub status: String,
    pub has_ended: bool,
    /// In the order of their sequence.
    pub periods: Vec<Period>,
}

/// The identifiers of the accounts after `after`, at most `limit`, in order.
///
/// # Errors
/// What the database says.
pub async fn account_ids(connection: &mut Connection, after: i64, limit: i64) -> Result<Vec<AccountId>, Error> {
    let rows = sqlx::query("SELECT id FROM account WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| number(row, "id").map(AccountId)).collect()
}

/// Everything of one account that the doctor looks at; nothing where it is not there.
///
/// # Errors
/// What the database says.
pub async fn account(connection: &mut Connection, id: AccountId) -> Result<Option<AccountSurvey>, Error> {
    let row = sqlx::query(
        "SELECT account.kind, account.status, account.credits, account.ledger_sequence, \
         (SELECT COUNT(*) FROM users WHERE users.account_id = account.id) AS users, \
         (SELECT COUNT(*) FROM users WHERE users.account_id = account.id AND users.role = 'owner') AS owners, \
         (SELECT COUNT(*) FROM audit WHERE audit.account_id = account.id) AS audit_lines \
         FROM account WHERE account.id = $1",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let entries =
        sqlx::query("SELECT sequence, amount, balance_after FROM ledger_entry WHERE account_id = $1 ORDER BY sequence")
            .bind(id.0)
            .fetch_all(&mut *connection)
            .await?;
    Ok(Some(AccountSurvey {
        id,
        kind: word(&row, "kind", AccountKind::parse)?,
        status: text(&row, "status")?,
        ledger: LedgerHead {
            balance: Credits(number(&row, "credits")?),
            sequence: number(&row, "ledger_sequence")?,
        },
        movements: entries.iter().map(super::ledger::movement).collect::<Result<_, _>>()?,
        users: number(&row, "users")?,
        owners: number(&row, "owners")?,
        audit_lines: number(&row, "audit_lines")?,
        subscriptions: subscriptions(connection, id).await?,
    }))
}

async fn subscriptions(connection: &mut Connection, id: AccountId) -> Result<Vec<SubscriptionSurvey>, Error> {
    let rows = sqlx::query(
        "SELECT id, status, CASE WHEN ended_at_us IS NULL THEN 0 ELSE 1 END AS has_ended FROM subscription \
         WHERE account_id = $1 ORDER BY id",
    )
    .bind(id.0)
    .fetch_all(&mut *connection)
    .await?;
    let mut surveys = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = number(row, "id")?;
        let periods = sqlx::query(
            "SELECT sequence, start_us, end_us FROM subscription_period WHERE subscription_id = $1 ORDER BY sequence",
        )
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
        let period = |row| {
            Ok(Period {
                sequence: number(row, "sequence")?,
                start: instant(row, "start_us")?,
                end: instant(row, "end_us")?,
            })
        };
        surveys.push(SubscriptionSurvey {
            id,
            status: text(row, "status")?,
            has_ended: number(row, "has_ended")? != 0,
            periods: periods.iter().map(period).collect::<Result<_, Error>>()?,
        });
    }
    Ok(surveys)
}
