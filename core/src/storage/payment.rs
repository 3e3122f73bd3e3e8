//! Payments and receipts.

use super::error::Error;
use super::row::{instant, number, optional_number, optional_text, text, word};
use super::store::Connection;
use crate::domain::payment::{ConfirmedPayment, PendingPayment};
use crate::domain::subscription::PaymentMethod;
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// A payment that was confirmed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub account_id: AccountId,
    pub amount_minor: i64,
    /// What was answered, as JSON text.
    pub answer: Option<String>,
}

/// A payment that has just been stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub id: i64,
    pub receipt_number: i64,
}

/// A payment as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub id: i64,
    /// `pending`, `confirmed` or `withdrawn`.
    pub status: String,
    pub method: PaymentMethod,
    pub plan_slug: String,
    /// What the payer was told to write on it; nothing for one that was never asked for.
    pub reference: Option<String>,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: String,
    /// Together with everything below: for a confirmed one alone.
    pub external_payment_id: Option<String>,
    pub payer_name: Option<String>,
    /// What it paid for.
    pub period_start: Option<Timestamp>,
    pub period_end: Option<Timestamp>,
    pub receipt_number: Option<i64>,
    pub created_at: Timestamp,
    pub confirmed_at: Option<Timestamp>,
}

/// A payment that is waited for, for whoever looks for it on a bank's statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub id: i64,
    pub account_id: AccountId,
    pub account_name: String,
    pub plan_slug: String,
    pub plan_name: String,
    pub method: PaymentMethod,
    pub reference: String,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: String,
    pub created_at: Timestamp,
}

/// The newest `limit` payments of an account whose number lies below `before`, newest first.
///
/// # Errors
/// What the database says.
pub async fn page(
    connection: &mut Connection,
    account_id: AccountId,
    before: i64,
    limit: i64,
) -> Result<Vec<Recorded>, Error> {
    let rows = sqlx::query(
        "SELECT payment.id, payment.status, payment.method, plan.slug AS plan_slug, payment.reference, \
         payment.amount_minor, payment.currency, payment.external_payment_id, payment.payer_name, \
         payment.period_start_us, payment.period_end_us, receipt.number AS receipt_number, payment.created_at_us, \
         payment.confirmed_at_us FROM payment JOIN plan ON plan.id = payment.plan_id \
         LEFT JOIN receipt ON receipt.payment_id = payment.id \
         WHERE payment.account_id = $1 AND payment.id < $2 ORDER BY payment.id DESC LIMIT $3",
    )
    .bind(account_id.0)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(recorded).collect()
}

fn recorded(row: &AnyRow) -> Result<Recorded, Error> {
    let optional_instant = |column| optional_number(row, column).map(|micros| micros.map(Timestamp));
    Ok(Recorded {
        id: number(row, "id")?,
        status: text(row, "status")?,
        method: word(row, "method", PaymentMethod::parse)?,
        plan_slug: text(row, "plan_slug")?,
        reference: optional_text(row, "reference")?,
        amount_minor: number(row, "amount_minor")?,
        currency: text(row, "currency")?,
        external_payment_id: optional_text(row, "external_payment_id")?,
        payer_name: optional_text(row, "payer_name")?,
        period_start: optional_instant("period_start_us")?,
        period_end: optional_instant("period_end_us")?,
        receipt_number: optional_number(row, "receipt_number")?,
        created_at: instant(row, "created_at_us")?,
        confirmed_at: optional_instant("confirmed_at_us")?,
    })
}

/// What is read of a payment that is waited for.
macro_rules! waited_for {
    () => {
        "SELECT payment.id, payment.account_id, account.name AS account_name, plan.slug AS plan_slug, \
         plan.name AS plan_name, payment.method, payment.reference, payment.amount_minor, payment.currency, \
         payment.created_at_us FROM payment JOIN account ON account.id = payment.account_id \
         JOIN plan ON plan.id = payment.plan_id WHERE payment.status = 'pending' AND "
    };
}

/// The newest `limit` payments of all accounts that are waited for and whose number lies below `before`, newest first.
///
/// # Errors
/// What the database says.
pub async fn pending_page(connection: &mut Connection, before: i64, limit: i64) -> Result<Vec<Pending>, Error> {
    let rows = sqlx::query(concat!(
        waited_for!(),
        "payment.id < $1 ORDER BY payment.id DESC LIMIT $2"
    ))
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(of_pending).collect()
}

/// The payment of this number, if it is waited for.
///
/// # Errors
/// What the database says.
pub async fn pending_by_id(connection: &mut Connection, id: i64) -> Result<Option<Pending>, Error> {
    let row = sqlx::query(concat!(waited_for!(), "payment.id = $1"))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(of_pending).transpose()
}

fn of_pending(row: &AnyRow) -> Result<Pending, Error> {
    Ok(Pending {
        id: number(row, "id")?,
        account_id: AccountId(number(row, "account_id")?),
        account_name: text(row, "account_name")?,
        plan_slug: text(row, "plan_slug")?,
        plan_name: text(row, "plan_name")?,
        method: word(row, "method", PaymentMethod::parse)?,
        reference: text(row, "reference")?,
        amount_minor: number(row, "amount_minor")?,
        currency: text(row, "currency")?,
        created_at: instant(row, "created_at_us")?,
    })
}

/// The account's pending payment.
///
/// # Errors
/// What the database says.
pub async fn pending(connection: &mut Connection, account_id: AccountId) -> Result<Option<PendingPayment>, Error> {
    let row = sqlx::query(
        "SELECT reference, plan_id, method, amount_minor, currency FROM payment \
         WHERE account_id = $1 AND status = 'pending'",
    )
    .bind(account_id.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(PendingPayment {
        reference: text(&row, "reference")?,
        plan_id: PlanId(number(&row, "plan_id")?),
        method: word(&row, "method", PaymentMethod::parse)?,
        amount_minor: number(&row, "amount_minor")?,
        currency: text(&row, "currency")?,
    }))
}

/// Adds a pending payment.
///
/// # Errors
/// What the database says.
pub async fn request(
    connection: &mut Connection,
    account_id: AccountId,
    new: &PendingPayment,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO payment (account_id, method, status, plan_id, reference, amount_minor, currency, created_at_us) \
         VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7)",
    )
    .bind(account_id.0)
    .bind(new.method.as_str())
    .bind(new.plan_id.0)
    .bind(&new.reference)
    .bind(new.amount_minor)
    .bind(&new.currency)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a pending payment back.
///
/// # Errors
/// What the database says.
pub async fn withdraw(connection: &mut Connection, reference: &str) -> Result<(), Error> {
    sqlx::query("UPDATE payment SET status = 'withdrawn' WHERE reference = $1 AND status = 'pending'")
        .bind(reference)
        .execute(connection)
        .await?;
    Ok(())
}

/// The confirmed payment that the payer's bank or the provider calls `external_id`.
///
/// # Errors
/// What the database says.
pub async fn known(
    connection: &mut Connection,
    method: PaymentMethod,
    external_id: &str,
) -> Result<Option<Known>, Error> {
    let row = sqlx::query(
        "SELECT account_id, amount_minor, answer FROM payment WHERE method = $1 AND external_payment_id = $2",
    )
    .bind(method.as_str())
    .bind(external_id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Known {
        account_id: AccountId(number(&row, "account_id")?),
        amount_minor: number(&row, "amount_minor")?,
        answer: optional_text(&row, "answer")?,
    }))
}

/// Stores a confirmed payment, in the place of the pending one that it settles, and issues its receipt.
///
/// # Errors
/// [`Error::Raced`] where another transaction has confirmed it meanwhile; what the database says.
pub async fn confirm(
    connection: &mut Connection,
    account_id: AccountId,
    payment: &ConfirmedPayment,
    now: Timestamp,
) -> Result<Stored, Error> {
    let mut asked_at = now.0;
    if let Some(reference) = &payment.reference {
        let row =
            sqlx::query("DELETE FROM payment WHERE reference = $1 AND status = 'pending' RETURNING created_at_us")
                .bind(reference)
                .fetch_optional(&mut *connection)
                .await?;
        if let Some(row) = row {
            asked_at = number(&row, "created_at_us")?;
        }
    }
    let paid = &payment.paid;
    let row = sqlx::query(
        "INSERT INTO payment (account_id, method, status, plan_id, reference, amount_minor, currency, \
         external_payment_id, payer_name, override_reason, confirmed_by, subscription_number, period_sequence, \
         period_start_us, period_end_us, created_at_us, confirmed_at_us) \
         VALUES ($1, $2, 'confirmed', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         ON CONFLICT (method, external_payment_id) DO NOTHING RETURNING id",
    )
    .bind(account_id.0)
    .bind(paid.method.as_str())
    .bind(payment.plan_id.0)
    .bind(payment.reference.as_deref())
    .bind(paid.amount_minor)
    .bind(&paid.currency)
    .bind(&paid.external_id)
    .bind(&paid.payer_name)
    .bind(paid.override_reason.as_deref())
    .bind(paid.confirmed_by.map(|id| id.0))
    .bind(payment.subscription)
    .bind(payment.period.sequence)
    .bind(payment.period.start.0)
    .bind(payment.period.end.0)
    .bind(asked_at)
    .bind(now.0)
    .fetch_optional(&mut *connection)
    .await?;
    let id = number(&row.ok_or(Error::Raced)?, "id")?;
    let receipt_number = issue_receipt(connection, id, &payment.seller, now).await?;
    Ok(Stored { id, receipt_number })
}

/// The counter's row is held until the transaction ends, so numbers leave no gap.
async fn issue_receipt(
    connection: &mut Connection,
    payment_id: i64,
    seller: &str,
    now: Timestamp,
) -> Result<i64, Error> {
    let row =
        sqlx::query("UPDATE receipt_counter SET last_number = last_number + 1 WHERE id = 1 RETURNING last_number")
            .fetch_one(&mut *connection)
            .await?;
    let receipt_number = number(&row, "last_number")?;
    sqlx::query(
        "INSERT INTO receipt (number, account_id, payment_id, account_name, payer_name, plan_name, amount_minor, \
         currency, method, external_payment_id, period_start_us, period_end_us, issued_at_us, seller) \
         SELECT CAST($1 AS BIGINT), account.id, payment.id, account.name, payment.payer_name, plan.name, \
         payment.amount_minor, payment.currency, payment.method, payment.external_payment_id, payment.period_start_us, \
         payment.period_end_us, CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM payment \
         JOIN account ON account.id = payment.account_id JOIN plan ON plan.id = payment.plan_id WHERE payment.id = $4",
    )
    .bind(receipt_number)
    .bind(now.0)
    .bind(seller)
    .bind(payment_id)
    .execute(connection)
    .await?;
    Ok(receipt_number)
}

/// Keeps what was answered to a confirmation, so that the same one again is answered the same.
///
/// # Errors
/// What the database says.
pub async fn keep_answer(connection: &mut Connection, id: i64, answer: &str) -> Result<(), Error> {
    sqlx::query("UPDATE payment SET answer = $2 WHERE id = $1")
        .bind(id)
        .bind(answer)
        .execute(connection)
        .await?;
    Ok(())
}

/// The number of a payment's account.
///
/// # Errors
/// What the database says.
pub async fn account_of_reference(connection: &mut Connection, reference: &str) -> Result<Option<AccountId>, Error> {
    let row = sqlx::query("SELECT account_id FROM payment WHERE reference = $1")
        .bind(reference)
        .fetch_optional(connection)
        .await?;
    let id = row.as_ref().map(|row| optional_number(row, "account_id")).transpose()?;
    Ok(id.flatten().map(AccountId))
}
