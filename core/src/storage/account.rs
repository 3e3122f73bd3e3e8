//! Accounts.

use super::error::Error;
use super::row::{instant, number, optional_number, optional_text, optional_word, text, word};
use super::store::Connection;
use crate::domain::account::{Account, AccountKind, NewAccount};
use crate::domain::ledger::LedgerHead;
use crate::domain::standing::account_facts;
use igny8_contract::credits::Credits;
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::standing::{AccountFacts, AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "account.id, account.kind, account.name, account.status, account.suspend_reason, \
         account.plan_id, account.credits, account.ledger_sequence, account.epoch, account.created_at_us"
    };
}

fn account(row: &AnyRow) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(number(row, "id")?),
        kind: word(row, "kind", AccountKind::parse)?,
        name: text(row, "name")?,
        status: word(row, "status", AccountStatus::parse)?,
        suspend_reason: optional_word(row, "suspend_reason", SuspendReason::parse)?,
        plan_id: optional_number(row, "plan_id")?.map(PlanId),
        ledger: LedgerHead {
            balance: Credits(number(row, "credits")?),
            sequence: number(row, "ledger_sequence")?,
        },
        epoch: number(row, "epoch")?,
        created_at: instant(row, "created_at_us")?,
    })
}

/// Adds an account, without credits.
///
/// # Errors
/// What the database says.
pub async fn insert(connection: &mut Connection, new: &NewAccount, now: Timestamp) -> Result<Account, Error> {
    let row = sqlx::query(concat!(
        "INSERT INTO account (kind, name, status, plan_id, created_at_us, updated_at_us) \
         VALUES ($1, $2, $3, $4, $5, $5) RETURNING ",
        columns!()
    ))
    .bind(new.kind.as_str())
    .bind(&new.name)
    .bind(new.status.as_str())
    .bind(new.plan_id.map(|id| id.0))
    .bind(now.0)
    .fetch_one(connection)
    .await?;
    account(&row)
}

/// One account.
///
/// # Errors
/// What the database says.
pub async fn by_id(connection: &mut Connection, id: AccountId) -> Result<Option<Account>, Error> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM account WHERE id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(account).transpose()
}

/// The first account of staff.
///
/// # Errors
/// What the database says.
pub async fn staff(connection: &mut Connection) -> Result<Option<Account>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM account WHERE kind = 'staff' ORDER BY id LIMIT 1"
    ))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(account).transpose()
}

/// What the decision on its standing needs to know of an account.
///
/// # Errors
/// What the database says.
pub async fn facts(connection: &mut Connection, id: AccountId) -> Result<Option<AccountFacts>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        ", plan.slug AS plan_slug, (SELECT MAX(subscription_period.end_us) FROM subscription \
         JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
         WHERE subscription.account_id = account.id AND subscription.ended_at_us IS NULL) AS period_end_us \
         FROM account LEFT JOIN plan ON plan.id = account.plan_id WHERE account.id = $1"
    ))
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let plan_slug = optional_text(&row, "plan_slug")?;
    let period_end = optional_number(&row, "period_end_us")?.map(Timestamp);
    Ok(Some(account_facts(&account(&row)?, plan_slug.as_deref(), period_end)))
}
