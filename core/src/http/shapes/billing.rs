//! What clients see of payments, receipts and what staff do.

use super::{Account, Plan, Subscription, rfc_3339};
use crate::app::StoryError;
use crate::app::change::Done;
use crate::app::confirm::Confirmed;
use crate::app::upgrade::Requested;
use crate::domain::plan::decimal;
use crate::storage::ledger::Entry;
use crate::storage::payment::{Pending, Recorded};
use crate::storage::receipt;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

fn value<T: Serialize>(shape: &T) -> Result<Value, StoryError> {
    serde_json::to_value(shape).map_err(|error| StoryError::Fault(error.to_string()))
}

/// The number of a receipt as people write it.
#[must_use]
pub fn receipt_name(number: i64) -> String {
    format!("R-{number:06}")
}

/// A payment that is waited for. Nothing else has changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpgradeRequested {
    /// What to write on the transfer.
    #[schema(example = "IGN-7K2M9QX4TD")]
    pub reference: String,
    #[schema(example = "29.99")]
    pub amount: String,
    #[schema(example = "USD")]
    pub currency: String,
    /// A sentence that says how to pay.
    pub instructions: String,
    /// Always `pending`.
    #[schema(example = "pending")]
    pub status: &'static str,
    /// `bank_transfer` or `stripe`.
    #[schema(example = "bank_transfer")]
    pub payment_method: &'static str,
    /// Where to pay; null for a transfer.
    pub payment_url: Option<String>,
    /// What is paid for.
    pub plan: Plan,
}

/// The answer to an upgrade.
///
/// # Errors
/// What the serialiser says.
pub fn requested(done: &Done<Requested>) -> Result<Value, StoryError> {
    let requested = &done.outcome;
    value(&UpgradeRequested {
        reference: requested.payment.reference.clone(),
        amount: decimal(requested.payment.amount_minor),
        currency: requested.payment.currency.clone(),
        instructions: requested.instructions.clone(),
        status: "pending",
        payment_method: requested.payment.method.as_str(),
        payment_url: requested.payment_url.clone(),
        plan: Plan::from(&requested.plan),
    })
}

/// A payment that was confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmedPayment {
    pub id: i64,
    #[schema(example = "BT-1")]
    pub external_payment_id: String,
    #[schema(example = "29.99")]
    pub amount: String,
    #[schema(example = "USD")]
    pub currency: String,
    #[schema(example = "bank_transfer")]
    pub method: &'static str,
    #[schema(example = "starter")]
    pub plan_slug: String,
    pub payer_name: String,
    /// Why an amount that is not the price was taken; null where it is the price.
    pub override_reason: Option<String>,
    /// What it paid for.
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub period_start: String,
    #[schema(format = "date-time", example = "2026-01-31T00:00:00.000000Z")]
    pub period_end: String,
    #[schema(example = 1)]
    pub receipt_number: i64,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub confirmed_at: String,
}

/// A confirmed payment and what has come of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirmation {
    pub payment: ConfirmedPayment,
    pub account: Account,
    pub subscription: Subscription,
}

/// The answer to a confirmation.
///
/// # Errors
/// `internal` where nothing was stored; what the serialiser says.
pub fn confirmed(done: &Done<Confirmed>) -> Result<Value, StoryError> {
    let (payment, stored) = (&done.outcome.payment, done.saved.payment.ok_or(Refusal::Internal)?);
    value(&Confirmation {
        payment: ConfirmedPayment {
            id: stored.id,
            external_payment_id: payment.paid.external_id.clone(),
            amount: decimal(payment.paid.amount_minor),
            currency: payment.paid.currency.clone(),
            method: payment.paid.method.as_str(),
            plan_slug: done.outcome.plan.terms.slug.clone(),
            payer_name: payment.paid.payer_name.clone(),
            override_reason: payment.paid.override_reason.clone(),
            period_start: rfc_3339(payment.period.start),
            period_end: rfc_3339(payment.period.end),
            receipt_number: stored.receipt_number,
            confirmed_at: rfc_3339(done.now),
        },
        account: Account::from(&done.account),
        subscription: latest(done)?,
    })
}

/// An account with its subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct Standing {
    pub account: Account,
    pub subscription: Subscription,
}

fn latest<T>(done: &Done<T>) -> Result<Subscription, Refusal> {
    let latest = done.book.subscription.as_ref().ok_or(Refusal::Internal)?;
    Ok(Subscription::from(latest))
}

/// The account and its subscription, as they stand now.
///
/// # Errors
/// `internal` where there is none; what the serialiser says.
pub fn standing(done: &Done<()>) -> Result<Value, StoryError> {
    value(&Standing {
        account: Account::from(&done.account),
        subscription: latest(done)?,
    })
}

/// The subscription, as it stands now.
///
/// # Errors
/// `internal` where there is none; what the serialiser says.
pub fn subscription(done: &Done<()>) -> Result<Value, StoryError> {
    value(&latest(done)?)
}

/// The account, as it stands now.
///
/// # Errors
/// What the serialiser says.
pub fn account(done: &Done<()>) -> Result<Value, StoryError> {
    value(&Account::from(&done.account))
}

/// An entry of the ledger.
///
/// # Errors
/// What the serialiser says.
pub fn entry(entry: &Entry) -> Result<Value, StoryError> {
    value(&super::LedgerEntry::from(entry))
}

/// A payment of an account's.
#[derive(Debug, Serialize, ToSchema)]
pub struct Payment {
    pub id: i64,
    /// `pending`, `confirmed` or `withdrawn`.
    #[schema(example = "confirmed")]
    pub status: String,
    /// `bank_transfer`, `stripe` or `manual`.
    #[schema(example = "bank_transfer")]
    pub method: &'static str,
    #[schema(example = "starter")]
    pub plan_slug: String,
    /// What the payer was told to write on it; null for one that was never asked for.
    pub reference: Option<String>,
    #[schema(example = "29.99")]
    pub amount: String,
    #[schema(example = "USD")]
    pub currency: String,
    /// Null, as is all that follows, unless it is confirmed.
    pub external_payment_id: Option<String>,
    pub payer_name: Option<String>,
    /// What it paid for.
    #[schema(format = "date-time")]
    pub period_start: Option<String>,
    #[schema(format = "date-time")]
    pub period_end: Option<String>,
    pub receipt_number: Option<i64>,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub confirmed_at: Option<String>,
}

impl From<&Recorded> for Payment {
    fn from(payment: &Recorded) -> Self {
        let time = |instant: Option<Timestamp>| instant.map(rfc_3339);
        Self {
            id: payment.id,
            status: payment.status.clone(),
            method: payment.method.as_str(),
            plan_slug: payment.plan_slug.clone(),
            reference: payment.reference.clone(),
            amount: decimal(payment.amount_minor),
            currency: payment.currency.clone(),
            external_payment_id: payment.external_payment_id.clone(),
            payer_name: payment.payer_name.clone(),
            period_start: time(payment.period_start),
            period_end: time(payment.period_end),
            receipt_number: payment.receipt_number,
            created_at: rfc_3339(payment.created_at),
            confirmed_at: time(payment.confirmed_at),
        }
    }
}

/// A payment that staff wait for.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingPayment {
    pub id: i64,
    pub account_id: i64,
    pub account_name: String,
    #[schema(example = "starter")]
    pub plan_slug: String,
    #[schema(example = "Starter")]
    pub plan_name: String,
    /// `bank_transfer` or `stripe`.
    #[schema(example = "bank_transfer")]
    pub method: &'static str,
    /// What the payer was told to write on it.
    #[schema(example = "IGN-7K2M9QX4TD")]
    pub reference: String,
    #[schema(example = "29.99")]
    pub amount: String,
    #[schema(example = "USD")]
    pub currency: String,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
}

impl From<&Pending> for PendingPayment {
    fn from(pending: &Pending) -> Self {
        Self {
            id: pending.id,
            account_id: pending.account_id.0,
            account_name: pending.account_name.clone(),
            plan_slug: pending.plan_slug.clone(),
            plan_name: pending.plan_name.clone(),
            method: pending.method.as_str(),
            reference: pending.reference.clone(),
            amount: decimal(pending.amount_minor),
            currency: pending.currency.clone(),
            created_at: rfc_3339(pending.created_at),
        }
    }
}

/// A receipt: what was true when it was issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// Receipts of the house are numbered from 1 without a gap.
    #[schema(example = 1)]
    pub number: i64,
    /// The number as people write it.
    #[schema(example = "R-000001")]
    pub name: String,
    /// Who issued it: name, address, tax number, a line each. Empty where nobody is named.
    #[schema(example = "Igny8 Ltd\n1 High Street\nVAT GB123456789")]
    pub seller: String,
    pub account_name: String,
    pub payer_name: String,
    #[schema(example = "Starter")]
    pub plan_name: String,
    #[schema(example = "29.99")]
    pub amount: String,
    #[schema(example = "USD")]
    pub currency: String,
    #[schema(example = "bank_transfer")]
    pub method: &'static str,
    #[schema(example = "BT-1")]
    pub external_payment_id: String,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub period_start: String,
    #[schema(format = "date-time", example = "2026-01-31T00:00:00.000000Z")]
    pub period_end: String,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub issued_at: String,
}

impl From<&receipt::Receipt> for Receipt {
    fn from(receipt: &receipt::Receipt) -> Self {
        Self {
            number: receipt.number,
            name: receipt_name(receipt.number),
            seller: receipt.seller.clone(),
            account_name: receipt.account_name.clone(),
            payer_name: receipt.payer_name.clone(),
            plan_name: receipt.plan_name.clone(),
            amount: decimal(receipt.amount_minor),
            currency: receipt.currency.clone(),
            method: receipt.method.as_str(),
            external_payment_id: receipt.external_payment_id.clone(),
            period_start: rfc_3339(receipt.period_start),
            period_end: rfc_3339(receipt.period_end),
            issued_at: rfc_3339(receipt.issued_at),
        }
    }
}
