//! Receipts, as they were issued.

use super::error::Error;
use super::row::{instant, number, text, word};
use super::store::Connection;
use crate::domain::subscription::PaymentMethod;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "receipt.number, receipt.seller, receipt.account_name, receipt.payer_name, receipt.plan_name, \
         receipt.amount_minor, receipt.currency, receipt.method, receipt.external_payment_id, receipt.period_start_us, \
         receipt.period_end_us, receipt.issued_at_us"
    };
}

/// What was true when it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// 1 for the first receipt of the house, then one more each time, without a gap.
    pub number: i64,
    /// Who issued it, in lines; empty where nobody is named.
    pub seller: String,
    pub account_name: String,
    pub payer_name: String,
    pub plan_name: String,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: String,
    pub method: PaymentMethod,
    pub external_payment_id: String,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    pub issued_at: Timestamp,
}

fn receipt(row: &AnyRow) -> Result<Receipt, Error> {
    Ok(Receipt {
        number: number(row, "number")?,
        seller: text(row, "seller")?,
        account_name: text(row, "account_name")?,
        payer_name: text(row, "payer_name")?,
        plan_name: text(row, "plan_name")?,
        amount_minor: number(row, "amount_minor")?,
        currency: text(row, "currency")?,
        method: word(row, "method", PaymentMethod::parse)?,
        external_payment_id: text(row, "external_payment_id")?,
        period_start: instant(row, "period_start_us")?,
        period_end: instant(row, "period_end_us")?,
        issued_at: instant(row, "issued_at_us")?,
    })
}

/// The newest `limit` receipts of an account whose number lies below `before`, newest first.
///
/// # Errors
/// What the database says.
pub async fn page(
    connection: &mut Connection,
    account_id: AccountId,
    before: i64,
    limit: i64,
) -> Result<Vec<Receipt>, Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM receipt WHERE account_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3"
    ))
    .bind(account_id.0)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(receipt).collect()
}

/// One receipt of an account.
///
/// # Errors
/// What the database says.
pub async fn by_number(
    connection: &mut Connection,
    account_id: AccountId,
    number: i64,
) -> Result<Option<Receipt>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM receipt WHERE account_id = $1 AND number = $2"
    ))
    .bind(account_id.0)
    .bind(number)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(receipt).transpose()
}
