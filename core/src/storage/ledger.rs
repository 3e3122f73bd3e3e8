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
