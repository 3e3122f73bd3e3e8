//! What staff do to a customer's payments, subscription and credits.

use super::Service;
use super::answer::{Envelope, Refused, answered, data};
use super::ask::of_customer;
use super::bearer::Staff;
use super::idempotency::Keyed;
use super::openapi::refusals;
use super::passage::RequestId;
use super::query::{self, PageQuery};
use super::shapes::{self, Page, billing};
use super::valid::{is_account, is_line, is_not_empty, is_optional_line, trimmed, valid};
use crate::app::confirm::{BankTransfer, confirm_bank_transfer as confirm};
use crate::app::staff_billing::{self, CreditChange};
use crate::app::{Fields, payments};
use crate::domain::billing::LateMode;
use crate::domain::ledger::TransactionType;
use crate::domain::plan::minor_units;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use garde::Validate;
use http::StatusCode;
use igny8_contract::credits::Credits;
use igny8_contract::ids::UserId;
use serde::Deserialize;
use utoipa::ToSchema;

/// The longest name of a payment, a payer or a plan, and the longest reason.
const LINE: usize = 255;
const REASON: usize = 500;
/// The most credits that one adjustment moves.
const MOST_CREDITS: i64 = 1_000_000_000_000;
/// The longest that added credits may live where they expire, in days.
const MOST_DAYS: i64 = 3650;

pub(super) fn mode(word: Option<&str>) -> Result<Option<LateMode>, Refused> {
    let read = |word| LateMode::parse(word).ok_or_else(|| invalid("mode", "It must be catch_up or restart."));
    word.map(read).transpose()
}

fn invalid(field: &str, sentence: &str) -> Refused {
    Refused::invalid(Fields::from([(field.to_owned(), sentence.to_owned())]))
}

/// A transfer that has come.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    #[schema(required = true, example = 1)]
    #[serde(default)]
    #[garde(custom(is_account))]
    pub account_id: i64,
    /// The bank's name for it. The same one again is answered the same and does nothing.
    #[schema(required = true, max_length = 255, example = "BT-1")]
    #[serde(default)]
    #[garde(custom(is_line::<LINE>))]
    pub external_payment_id: String,
    /// In the plan's currency, with two decimal places.
    #[schema(required = true, example = "29.99")]
    #[serde(default)]
    #[garde(custom(is_not_empty))]
    pub amount: String,
    #[schema(required = true, max_length = 255, example = "Ada Lovelace")]
    #[serde(default)]
    #[garde(custom(is_line::<LINE>))]
    pub payer_name: String,
    /// What was paid for, where no upgrade was asked for.
    #[schema(max_length = 255, example = "starter")]
    #[serde(default)]
    #[garde(custom(is_optional_line::<LINE>))]
    pub plan_slug: Option<String>,
    /// Why an amount that is not the price is taken.
    #[schema(max_length = 500)]
    #[serde(default)]
    #[garde(custom(is_optional_line::<REASON>))]
    pub override_reason: Option<String>,
    /// For a renewal that comes very late: `catch_up` or `restart`.
    #[schema(example = "catch_up")]
    #[serde(default)]
    #[garde(skip)]
    pub mode: Option<String>,
}

impl ConfirmBody {
    pub(super) fn read(&self, confirmed_by: UserId) -> Result<BankTransfer, Refused> {
        valid(self)?;
        let amount = minor_units(&self.amount).filter(|amount| *amount > 0);
        let wrong = || {
            invalid(
                "amount",
                "It must be an amount with two decimal places, like 29.99, above 0.",
            )
        };
        Ok(BankTransfer {
            external_payment_id: self.external_payment_id.trim().to_owned(),
            amount_minor: amount.ok_or_else(wrong)?,
            payer_name: self.payer_name.trim().to_owned(),
            plan_slug: trimmed(self.plan_slug.clone()),
            override_reason: trimmed(self.override_reason.clone()),
            mode: mode(self.mode.as_deref())?,
            confirmed_by,
        })
    }
}

refusals!(ConfirmRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired NotFound
    PaymentConflict RenewalModeRequired IdempotencyKeyReused MalformedBody BodyTooLarge UnsupportedMediaType
    ValidationFailed PlanRequired AmountMismatch StorageUnavailable);

/// Confirm that a bank transfer has come. It activates the plan that it is for, or renews it from the end of its period.
#[utoipa::path(
    post, path = "/api/v1/billing/confirm-bank-transfer/", tag = "billing", security(("bearer" = [])),
    request_body = ConfirmBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses(
        (status = 200, description = "The payment and what came of it", body = Envelope<billing::Confirmation>),
        ConfirmRefusals
    )
)]
pub async fn confirm_bank_transfer(
    State(service): State<Service>,
    Staff(staff): Staff,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<ConfirmBody>,
) -> Result<Response, Refused> {
    let transfer = keyed.body.read(staff.user_id)?;
    let ask = of_customer(&keyed, staff, keyed.body.account_id, request_id);
    let core = service.core.clone();
    let story = async move { confirm(&core, ask, transfer, billing::confirmed).await };
    Ok(answered(service.stories.run(story).await?))
}

/// What the audit says where staff gave no reason.
fn not_given() -> String {
    "not given".to_owned()
}

/// A renewal without a payment.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RenewBody {
    #[schema(required = true, example = 1)]
    #[serde(default)]
    #[garde(custom(is_account))]
    pub account_id: i64,
    /// For one that comes very late: `catch_up` or `restart`.
    #[schema(example = "catch_up")]
    #[serde(default)]
    #[garde(skip)]
    pub mode: Option<String>,
    /// For the audit.
    #[schema(required = false, max_length = 500)]
    #[serde(default = "not_given")]
    #[garde(custom(is_line::<REASON>))]
    pub reason: String,
}

refusals!(RenewRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired NotFound
    SubscriptionEnded NotRenewable RenewalModeRequired IdempotencyKeyReused MalformedBody BodyTooLarge
    UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Renew a subscription from the end of its period, without a payment.
#[utoipa::path(
    post, path = "/api/v1/billing/renew/", tag = "billing", security(("bearer" = [])), request_body = RenewBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses(
        (status = 200, description = "Account and subscription", body = Envelope<billing::Standing>),
        RenewRefusals
    )
)]
pub async fn renew(
    State(service): State<Service>,
    Staff(staff): Staff,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<RenewBody>,
) -> Result<Response, Refused> {
    valid(&keyed.body)?;
    let mode = mode(keyed.body.mode.as_deref())?;
    let ask = of_customer(&keyed, staff, keyed.body.account_id, request_id);
    let core = service.core.clone();
    let story = async move { staff_billing::renew(&core, ask, mode, keyed.body.reason, billing::standing).await };
    Ok(answered(service.stories.run(story).await?))
}

/// A plan that nobody pays for here.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AssignBody {
    #[schema(required = true, example = 1)]
    #[serde(default)]
    #[garde(custom(is_account))]
    pub account_id: i64,
    #[schema(required = true, max_length = 255, example = "enterprise")]
    #[serde(default)]
    #[garde(custom(is_line::<LINE>))]
    pub plan_slug: String,
    /// For the audit.
    #[schema(required = false, max_length = 500)]
    #[serde(default = "not_given")]
    #[garde(custom(is_line::<REASON>))]
    pub reason: String,
}

refusals!(AssignRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired PaidPlanNeedsPayment
    NotFound IdempotencyKeyReused MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Give a customer a plan by agreement, or one without a price.
#[utoipa::path(
    post, path = "/api/v1/billing/assign-plan/", tag = "billing", security(("bearer" = [])), request_body = AssignBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses(
        (status = 200, description = "Account and subscription", body = Envelope<billing::Standing>),
        AssignRefusals
    )
)]
pub async fn assign_plan(
    State(service): State<Service>,
    Staff(staff): Staff,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<AssignBody>,
) -> Result<Response, Refused> {
    valid(&keyed.body)?;
    let ask = of_customer(&keyed, staff, keyed.body.account_id, request_id);
    let core = service.core.clone();
    let AssignBody { plan_slug, reason, .. } = keyed.body;
    let story = async move { staff_billing::assign_plan(&core, ask, plan_slug, reason, billing::standing).await };
    Ok(answered(service.stories.run(story).await?))
}

/// Credits to add or take.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AdjustBody {
    #[schema(required = true, example = 1)]
    #[serde(default)]
    #[garde(custom(is_account))]
    pub account_id: i64,
    /// More than 0 to add, less to take.
    #[schema(required = true, example = 500)]
    #[serde(default)]
    #[garde(custom(is_amount))]
    pub amount: i64,
    /// What the entry says; the customer reads it.
    #[schema(required = true, max_length = 500)]
    #[serde(default)]
    #[garde(custom(is_line::<REASON>))]
    pub reason: String,
    /// `adjustment` (where it is left out), `bonus`, `purchase` or `refund`.
    #[schema(example = "bonus")]
    #[serde(default)]
    #[garde(skip)]
    pub kind: Option<String>,
    /// When what is added expires, in days; never where it is left out.
    #[schema(minimum = 1, maximum = 3650)]
    #[serde(default)]
    #[garde(custom(is_days))]
    pub expires_in_days: Option<i64>,
}

fn is_amount(amount: &i64, (): &()) -> garde::Result {
    if *amount != 0 && (-MOST_CREDITS..=MOST_CREDITS).contains(amount) {
        return Ok(());
    }
    let sentence = format!("It must be a whole number other than 0, from -{MOST_CREDITS} to {MOST_CREDITS}.");
    Err(garde::Error::new(sentence))
}

fn is_days(days: &Option<i64>, (): &()) -> garde::Result {
    if days.is_none_or(|days| (1..=MOST_DAYS).contains(&days)) {
        return Ok(());
    }
    Err(garde::Error::new(format!("It must be from 1 to {MOST_DAYS}.")))
}

impl AdjustBody {
    pub(super) fn read(&self) -> Result<CreditChange, Refused> {
        valid(self)?;
        let kind = match self.kind.as_deref() {
            None | Some("adjustment") => TransactionType::Adjustment,
            Some("bonus") => TransactionType::Bonus,
            Some("purchase") => TransactionType::Purchase,
            Some("refund") => TransactionType::Refund,
            Some(_) => return Err(invalid("kind", "It must be adjustment, bonus, purchase or refund.")),
        };
        if self.amount < 0 && self.expires_in_days.is_some() {
            return Err(invalid("expires_in_days", "Only credits that are added expire."));
        }
        Ok(CreditChange {
            amount: Credits(self.amount),
            kind,
            reason: self.reason.trim().to_owned(),
            expires_in_days: self.expires_in_days,
        })
    }
}

refusals!(AdjustRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked InsufficientCredits RoleRequired
    NotFound IdempotencyKeyReused MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Add credits, or take some that can be used.
#[utoipa::path(
    post, path = "/api/v1/billing/adjust-credits/", tag = "billing", security(("bearer" = [])),
    request_body = AdjustBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses((status = 200, description = "The entry", body = Envelope<shapes::LedgerEntry>), AdjustRefusals)
)]
pub async fn adjust_credits(
    State(service): State<Service>,
    Staff(staff): Staff,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<AdjustBody>,
) -> Result<Response, Refused> {
    let credits = keyed.body.read()?;
    let ask = of_customer(&keyed, staff, keyed.body.account_id, request_id);
    let core = service.core.clone();
    let story = async move { staff_billing::adjust_credits(&core, ask, credits, billing::entry).await };
    Ok(answered(service.stories.run(story).await?))
}

refusals!(PendingRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired ValidationFailed
    StorageUnavailable);

/// The payments of all accounts that are waited for, newest first.
#[utoipa::path(
    get, path = "/api/v1/billing/pending/", tag = "billing", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Payments of a page, 1 to 200; 50 where it is left out")
    ),
    responses(
        (status = 200, description = "A page of payments", body = Envelope<Page<billing::PendingPayment>>),
        PendingRefusals
    )
)]
pub async fn list_pending(State(service): State<Service>, _: Staff, page: PageQuery) -> Result<Response, Refused> {
    let listed = payments::pending(&service.core, page.before, page.limit).await?;
    let items = listed.items.iter().map(billing::PendingPayment::from).collect();
    let next = listed.next_before.map(query::cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}
