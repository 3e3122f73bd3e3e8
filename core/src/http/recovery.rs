//! Other passwords, and addresses that are shown to be somebody's.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::auth_bodies::{ChangePasswordBody, ConfirmResetBody, ResetBody, VerifyBody};
use super::bearer::WithSignIn;
use super::body::{NoBody, Object};
use super::openapi::refusals;
use super::passage::RequestId;
use super::refresh_cookie::{Delivery, deliver};
use super::shapes;
use super::valid::valid;
use crate::app::change_password::{Change, change_password as change};
use crate::app::reset_password::{self, Confirmation};
use crate::app::sign_in::Visitor;
use crate::app::verify_email;
use crate::domain::user::normal_email;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// What was done, for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct Told {
    pub message: &'static str,
}

refusals!(ChangePasswordRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed InvalidCredentials
    WeakPassword Throttled CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired AccountMissing StorageUnavailable);

/// Choose another password. Every other sign-in and session ends; this one goes on with the new pair of tokens.
#[utoipa::path(
    post, path = "/api/v1/auth/change-password/", tag = "auth", security(("bearer" = [])),
    request_body = ChangePasswordBody,
    responses((status = 200, description = "Changed", body = Envelope<shapes::SignedIn>), ChangePasswordRefusals)
)]
pub async fn change_password(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    WithSignIn(identity, _): WithSignIn,
    visitor: Visitor,
    headers: HeaderMap,
    Object(body): Object<ChangePasswordBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let delivery = Delivery::asked_for(body.refresh_delivery.as_deref());
    let asked = Change {
        user_id: identity.user_id,
        current: body.current_password,
        new: body.new_password,
        visitor,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let story = service.stories.run(async move { change(&core, asked).await }).await?;
    deliver(&service, StatusCode::OK, &story, delivery, &headers)
}

refusals!(ResetRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed Throttled StorageUnavailable);

/// Ask for a mail with a link to choose another password. The answer is the same whether or not somebody has the address.
#[utoipa::path(
    post, path = "/api/v1/auth/password-reset/", tag = "auth", request_body = ResetBody,
    responses((status = 202, description = "Asked for", body = Envelope<Told>), ResetRefusals)
)]
pub async fn reset_password(
    State(service): State<Service>,
    visitor: Visitor,
    Object(body): Object<ResetBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let (core, email) = (service.core.clone(), normal_email(&body.email).unwrap_or_default());
    let story = async move { reset_password::request(&core, email, &visitor).await };
    service.stories.run(story).await?;
    let message = "If somebody has this address, a mail with a link is on its way.";
    Ok(data(StatusCode::ACCEPTED, Told { message }))
}

refusals!(ConfirmResetRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed LinkInvalid
    WeakPassword StorageUnavailable);

/// Choose another password with the link of a mail, which works once. Every sign-in and session of the user ends.
#[utoipa::path(
    post, path = "/api/v1/auth/password-reset/confirm/", tag = "auth", request_body = ConfirmResetBody,
    responses((status = 204, description = "Changed: sign in with it"), ConfirmResetRefusals)
)]
pub async fn confirm_reset(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    visitor: Visitor,
    Object(body): Object<ConfirmResetBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let asked = Confirmation {
        token: body.token,
        new_password: body.new_password,
        visitor,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    service
        .stories
        .run(async move { reset_password::confirm(&core, asked).await })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

refusals!(VerifyRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed LinkInvalid
    StorageUnavailable);

/// Show with the link of a mail that one reads it.
#[utoipa::path(
    post, path = "/api/v1/auth/verify-email/", tag = "auth", request_body = VerifyBody,
    responses((status = 204, description = "Verified"), VerifyRefusals)
)]
pub async fn verify_email(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Object(body): Object<VerifyBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let core = service.core.clone();
    service
        .stories
        .run(async move { verify_email::verify(&core, &body.token, request_id.0).await })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

refusals!(ResendRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed Throttled
    CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired AccountMissing StorageUnavailable);

/// Ask for the mail with the link to verify one's address again.
#[utoipa::path(
    post, path = "/api/v1/auth/verify-email/resend/", tag = "auth", security(("bearer" = [])),
    responses((status = 202, description = "Asked for", body = Envelope<Told>), ResendRefusals)
)]
pub async fn resend_verification(
    State(service): State<Service>,
    WithSignIn(identity, _): WithSignIn,
    _: NoBody,
) -> Result<Response, Refused> {
    let core = service.core.clone();
    service
        .stories
        .run(async move { verify_email::resend(&core, identity.user_id).await })
        .await?;
    let message = "Unless the address is verified already, a mail with a link is on its way.";
    Ok(data(StatusCode::ACCEPTED, Told { message }))
}
