//! Signing up, in and out, staying signed in, and asking who one is.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::auth_bodies::{LoginBody, LogoutBody, RefreshBody, RegisterBody};
use super::bearer::{Known, bearer};
use super::body::{Object, Perhaps};
use super::cookies::expire_all;
use super::openapi::refusals;
use super::passage::RequestId;
use super::refresh_cookie::{Delivery, brought, deliver, only_own_origin};
use super::shapes;
use super::valid::{trimmed, valid};
use crate::app::Fields;
use crate::app::leaving::Brought;
use crate::app::login::{Login, login as sign_in};
use crate::app::logout::logout as sign_out;
use crate::app::read;
use crate::app::refresh::refresh as keep_going;
use crate::app::register::{Registration, register as sign_up};
use crate::app::sign_in::Visitor;
use crate::domain::user::normal_email;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use igny8_contract::refusal::Refusal;
use secrecy::SecretString;

/// The tokens that a request shows, whatever they are good for. Of several refresh cookies none counts.
fn shown(headers: &HeaderMap, in_body: Option<SecretString>) -> Brought {
    Brought {
        access: bearer(headers).ok().map(SecretString::from),
        refresh: in_body.or_else(|| brought(headers).ok().flatten()),
    }
}

refusals!(RegisterRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed WeakPassword EmailTaken
    PaidPlanNeedsPayment EnterpriseNeedsStaff PlanUnavailable PlanMisconfigured StorageUnavailable);

/// Sign up: a user, an account on the free trial, its credits and its first period, at once or not at all. Whoever was
/// signed in here is signed out with it. A mail asks to verify the address.
#[utoipa::path(
    post, path = "/api/v1/auth/register/", tag = "auth", request_body = RegisterBody,
    responses((status = 201, description = "Signed up and in", body = Envelope<shapes::SignedIn>), RegisterRefusals)
)]
pub async fn register(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    visitor: Visitor,
    headers: HeaderMap,
    Object(body): Object<RegisterBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let delivery = Delivery::asked_for(body.refresh_delivery.as_deref());
    let registration = registration(body, visitor, shown(&headers, None), request_id);
    let core = service.core.clone();
    let story = async move { sign_up(&core, registration).await };
    let story = service.stories.run(story).await?;
    deliver(&service, StatusCode::CREATED, &story, delivery, &headers)
}

fn registration(body: RegisterBody, visitor: Visitor, brought: Brought, request_id: RequestId) -> Registration {
    Registration {
        email: normal_email(&body.email).unwrap_or_default(),
        password: body.password,
        first_name: trimmed(body.first_name).unwrap_or_default(),
        last_name: trimmed(body.last_name).unwrap_or_default(),
        account_name: trimmed(body.account_name),
        plan_slug: trimmed(body.plan_slug),
        visitor,
        brought,
        request_id: request_id.0,
    }
}

refusals!(LoginRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed InvalidCredentials
    TotpRequired TotpInvalid Throttled StorageUnavailable);

/// Sign in. An unknown address and a wrong password get the same answer.
#[utoipa::path(
    post, path = "/api/v1/auth/login/", tag = "auth", request_body = LoginBody,
    responses((status = 200, description = "Signed in", body = Envelope<shapes::SignedIn>), LoginRefusals)
)]
pub async fn login(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    visitor: Visitor,
    headers: HeaderMap,
    Object(body): Object<LoginBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let delivery = Delivery::asked_for(body.refresh_delivery.as_deref());
    let login = Login {
        email: normal_email(&body.email),
        password: body.password,
        totp: body.totp,
        visitor,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let story = service.stories.run(async move { sign_in(&core, login).await }).await?;
    deliver(&service, StatusCode::OK, &story, delivery, &headers)
}

refusals!(RefreshRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed OriginRefused
    CredentialsRequired CredentialsAmbiguous TokenInvalid TokenExpired TokenRevoked AccountMissing StorageUnavailable);

/// Stay signed in: a refresh token, from its cookie or from the body, for a new pair. It is used up; for some seconds it
/// still leads other tabs to the same new one. Sent again after that, it ends the sign-in.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh/", tag = "auth", request_body = Option<RefreshBody>,
    responses((status = 200, description = "Still signed in", body = Envelope<shapes::SignedIn>), RefreshRefusals)
)]
pub async fn refresh(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    visitor: Visitor,
    headers: HeaderMap,
    Perhaps(body): Perhaps<RefreshBody>,
) -> Result<Response, Refused> {
    only_own_origin(&headers)?;
    let (token, delivery) = token_and_delivery(body, &headers)?;
    let core = service.core.clone();
    let story = async move { keep_going(&core, &token, visitor, request_id.0).await };
    let story = service.stories.run(story).await?;
    deliver(&service, StatusCode::OK, &story, delivery, &headers)
}

/// The refresh token of a request, and where the next one goes.
fn token_and_delivery(body: RefreshBody, headers: &HeaderMap) -> Result<(SecretString, Delivery), Refused> {
    valid(&body)?;
    let asked_for = body.refresh_delivery.as_deref();
    if let Some(token) = body.refresh {
        return Ok((token, Delivery::asked_for(asked_for.or(Some("body")))));
    }
    if asked_for == Some("body") {
        let sentence = "A refresh token that is not sent in the body is not given out in one.";
        return Err(Refused::invalid(Fields::from([(
            "refresh_delivery".into(),
            sentence.into(),
        )])));
    }
    let token = brought(headers)?.ok_or(Refusal::CredentialsRequired)?;
    Ok((token, Delivery::Cookie))
}

refusals!(LogoutRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed OriginRefused
    StorageUnavailable);

/// Sign out: ends the sign-ins of the access token and of the refresh token, as far as they are sent, and expires every
/// cookie of ours. Needs nothing, and may be repeated.
#[utoipa::path(
    post, path = "/api/v1/auth/logout/", tag = "auth", security((), ("bearer" = [])),
    request_body = Option<LogoutBody>,
    responses((status = 204, description = "Signed out"), LogoutRefusals)
)]
pub async fn logout(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    Perhaps(body): Perhaps<LogoutBody>,
) -> Result<Response, Refused> {
    only_own_origin(&headers)?;
    let (core, shown) = (service.core.clone(), shown(&headers, body.refresh));
    service
        .stories
        .run(async move { sign_out(&core, shown, request_id.0).await })
        .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    expire_all(response.headers_mut());
    Ok(response)
}

refusals!(MeRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing StorageUnavailable);

/// Who is signed in, with account and subscription; of an API key: who made it.
#[utoipa::path(
    get, path = "/api/v1/auth/me/", tag = "auth", security(("bearer" = [])),
    responses((status = 200, description = "The user", body = Envelope<shapes::Me>), MeRefusals)
)]
pub async fn me(State(service): State<Service>, Known(identity): Known) -> Result<Response, Refused> {
    let profile = read::profile(&service.core, identity.account_id, identity.user_id).await?;
    Ok(data(StatusCode::OK, shapes::Me::from(&profile)))
}
