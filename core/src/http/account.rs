//! The account and its subscription.

use super::Service;
use super::answer::{Envelope, Refused, answered, data};
use super::ask::of_own;
use super::bearer::{Tenant, only};
use super::body::Object;
use super::idempotency::Keyed;
use super::openapi::refusals;
use super::passage::RequestId;
use super::shapes::{self, billing};
use super::valid::{is_name, is_not_empty, trimmed, valid};
use crate::app::cancel::cancel_at_period_end;
use crate::app::identify::Identity;
use crate::app::rename::{Rename, rename};
use crate::app::upgrade::{Upgrade, upgrade as ask_for};
use crate::app::{Fields, read};
use crate::domain::role::Act;
use crate::domain::subscription::PaymentMethod;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

refusals!(AccountRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled StorageUnavailable);

/// The account of the signed-in user.
#[utoipa::path(
    get, path = "/api/v1/account/", tag = "account", security(("bearer" = [])),
    responses((status = 200, description = "The account", body = Envelope<shapes::Account>), AccountRefusals)
)]
pub async fn get_account(State(service): State<Service>, Tenant(identity): Tenant) -> Result<Response, Refused> {
    let account = read::account(&service.core, identity.account_id).await?;
    Ok(data(StatusCode::OK, shapes::Account::from(&account)))
}

refusals!(SubscriptionRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing
    AccountSuspended AccountCancelled NotFound StorageUnavailable);

/// The running subscription with its latest period.
#[utoipa::path(
    get, path = "/api/v1/account/subscription/", tag = "account", security(("bearer" = [])),
    responses(
        (status = 200, description = "The subscription", body = Envelope<shapes::Subscription>),
        SubscriptionRefusals
    )
)]
pub async fn get_subscription(State(service): State<Service>, Tenant(identity): Tenant) -> Result<Response, Refused> {
    let subscription = read::subscription(&service.core, identity.account_id).await?;
    Ok(data(StatusCode::OK, shapes::Subscription::from(&subscription)))
}

/// What is to be changed of an account.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    #[schema(max_length = 100, example = "Analytical Engines")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub name: Option<String>,
}

refusals!(ChangeRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Change the account. What is left out stays as it is. For its owner and its admins.
#[utoipa::path(
    patch, path = "/api/v1/account/", tag = "account", security(("bearer" = [])), request_body = AccountChange,
    responses((status = 200, description = "The account", body = Envelope<shapes::Account>), ChangeRefusals)
)]
pub async fn change_account(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Extension(request_id): Extension<RequestId>,
    Object(body): Object<AccountChange>,
) -> Result<Response, Refused> {
    only(identity, Act::NameAccount)?;
    valid(&body)?;
    let Some(name) = body.name else {
        let account = read::account(&service.core, identity.account_id).await?;
        return Ok(data(StatusCode::OK, shapes::Account::from(&account)));
    };
    let name = trimmed(Some(name)).ok_or_else(|| invalid("name", "It must not be empty."))?;
    let change = Rename {
        account_id: identity.account_id,
        by: identity.actor(),
        name,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let account = service.stories.run(async move { rename(&core, change).await }).await?;
    Ok(data(StatusCode::OK, shapes::Account::from(&account)))
}

fn invalid(field: &str, sentence: &str) -> Refused {
    Refused::invalid(Fields::from([(field.to_owned(), sentence.to_owned())]))
}

/// Which plan is asked for, and how it will be paid.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    #[schema(required = true, example = "starter")]
    #[serde(default)]
    #[garde(custom(is_not_empty))]
    pub plan_slug: String,
    /// `bank_transfer` or `stripe`.
    #[schema(required = true, example = "bank_transfer")]
    #[serde(default)]
    #[garde(custom(is_not_empty))]
    pub payment_method: String,
}

impl UpgradeBody {
    fn read(&self) -> Result<Upgrade, Refused> {
        valid(self)?;
        let offered = |method: &PaymentMethod| matches!(method, PaymentMethod::BankTransfer | PaymentMethod::Stripe);
        let method = PaymentMethod::parse(&self.payment_method).filter(offered);
        Ok(Upgrade {
            plan_slug: self.plan_slug.clone(),
            method: method.ok_or_else(|| invalid("payment_method", "It must be bank_transfer or stripe."))?,
        })
    }
}

refusals!(UpgradeRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired EnterpriseNeedsStaff NotFound IdempotencyKeyReused MalformedBody BodyTooLarge
    UnsupportedMediaType ValidationFailed PaymentMethodUnavailable StorageUnavailable);

/// Ask for a paid plan. Its payment is waited for from then on and nothing else changes: a running trial goes on. Asked
/// for again, the answer is the same; another plan takes its place. For the owner and admins.
#[utoipa::path(
    post, path = "/api/v1/account/upgrade/", tag = "account", security(("bearer" = [])), request_body = UpgradeBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses(
        (status = 200, description = "How to pay", body = Envelope<billing::UpgradeRequested>),
        UpgradeRefusals
    )
)]
pub async fn upgrade(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<UpgradeBody>,
) -> Result<Response, Refused> {
    only(identity, Act::Upgrade)?;
    let upgrade = keyed.body.read()?;
    let ask = of_own(&keyed, identity, request_id);
    let core = service.core.clone();
    let story = async move { ask_for(&core, ask, upgrade, billing::requested).await };
    Ok(answered(service.stories.run(story).await?))
}

/// No member at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

refusals!(CancelRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired SubscriptionEnded IdempotencyKeyReused MalformedBody BodyTooLarge UnsupportedMediaType
    ValidationFailed StorageUnavailable);

/// End the subscription with its running period. Until then everything goes on as before. For the owner.
#[utoipa::path(
    post, path = "/api/v1/account/cancel/", tag = "account", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses((status = 200, description = "The subscription", body = Envelope<shapes::Subscription>), CancelRefusals)
)]
pub async fn cancel(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<Nothing>,
) -> Result<Response, Refused> {
    set_cancel(&service, identity, request_id, &keyed, true).await
}

/// Take the end of the subscription back, as long as it runs. For the owner.
#[utoipa::path(
    post, path = "/api/v1/account/resume/", tag = "account", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")),
    responses((status = 200, description = "The subscription", body = Envelope<shapes::Subscription>), CancelRefusals)
)]
pub async fn resume(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<Nothing>,
) -> Result<Response, Refused> {
    set_cancel(&service, identity, request_id, &keyed, false).await
}

async fn set_cancel(
    service: &Service,
    identity: Identity,
    request_id: RequestId,
    keyed: &Keyed<Nothing>,
    cancel: bool,
) -> Result<Response, Refused> {
    only(identity, Act::EndSubscription)?;
    let ask = of_own(keyed, identity, request_id);
    let core = service.core.clone();
    let story = async move { cancel_at_period_end(&core, ask, cancel, billing::subscription).await };
    Ok(answered(service.stories.run(story).await?))
}
