//! The credit ledger.

use super::error::Error;
use super::row::{instant, number, text, word};
use super::store::Connection;
use crate::domain::ledger::{Movement, TransactionType};
use crate::domain::purse::Reason;
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "ledger_entry.id, ledger_entry.sequence, ledger_entry.transaction_type, ledger_entry.amount, \
         ledger_entry.balance_after, ledger_entry.description, ledger_entry.metadata, \
         ledger_entry.created_at_us"
    };
}

/// An entry as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    pub movement: Movement,
    pub reason: Reason,
    pub created_at: Timestamp,
}

pub(super) fn movement(row: &AnyRow) -> Result<Movement, Error> {
    Ok(Movement {
        sequence: number(row, "sequence")?,
        amount: Credits(number(row, "amount")?),
        balance_after: Credits(number(row, "balance_after")?),
    })
}

fn entry(row: &AnyRow) -> Result<Entry, Error> {
    Ok(Entry {
        id: number(row, "id")?,
        movement: movement(row)?,
        reason: Reason {
            transaction_type: word(row, "transaction_type", TransactionType::parse)?,
            description: text(row, "description")?,
            metadata: text(row, "metadata")?,
        },
        created_at: instant(row, "created_at_us")?,
    })
}

/// The newest `limit` entries of an account whose sequence lies below `before`, newest first.
///
/// # Errors
/// What the database says.
pub async fn page(
    connection: &mut Connection,
    account_id: AccountId,
    before: i64,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM ledger_entry WHERE account_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3"
    ))
    .bind(account_id.0)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(entry).collect()
}

/// What was used on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// Days since 1970-01-01, in UTC.
    pub day: i64,
    /// What consumption drew, as a number that is not negative.
    pub consumed: Credits,
    /// How many entries drew it.
    pub entries: i64,
}

/// What was used on each day in `[start, end)` on which anything was, in the order of the days.
///
/// # Errors
/// What the database says.
pub async fn usage(
    connection: &mut Connection,
    account_id: AccountId,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<DayUsage>, Error> {
    let rows = sqlx::query(
        "SELECT CAST(created_at_us / 86400000000 AS BIGINT) AS day, CAST(SUM(-amount) AS BIGINT) AS consumed, \
         COUNT(*) AS entries FROM ledger_entry \
         WHERE account_id = $1 AND created_at_us >= $2 AND created_at_us < $3 AND transaction_type = 'consumption' \
         GROUP BY created_at_us / 86400000000 ORDER BY day",
    )
    .bind(account_id.0)
    .bind(start.0)
    .bind(end.0)
    .fetch_all(connection)
    .await?;
    let usage = |row: &AnyRow| {
        Ok(DayUsage {
            day: number(row, "day")?,
            consumed: Credits(number(row, "consumed")?),
            entries: number(row, "entries")?,
        })
    };
    rows.iter().map(usage).collect()
}
