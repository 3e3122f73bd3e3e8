//! The account and its subscription.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::Tenant;
use super::openapi::refusals;
use super::shapes;
use crate::app::read;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

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
