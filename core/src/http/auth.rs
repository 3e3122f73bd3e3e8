//! Signing up, in and out, and asking who one is.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::{Known, bearer};
use super::body::{NoBody, Object};
use super::cookies::expire_all;
use super::openapi::refusals;
use super::passage::RequestId;
use super::shapes;
use super::valid::{is_name, is_not_empty, trimmed, valid};
use crate::app::login::{Login, login as sign_in};
use crate::app::logout::logout as sign_out;
use crate::app::read;
use crate::app::register::{Registration, SignedIn as SignedInStory, register as sign_up};
use crate::domain::user::normal_email;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

/// Who signs up.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    #[schema(required = true, format = "email", max_length = 254, example = "ada@example.com")]
    #[serde(default)]
    #[garde(custom(is_email))]
    pub email: String,
    /// At least 8 characters, and hard to guess.
    #[schema(required = true, value_type = String, format = "password", min_length = 8, example = "plover-tannin-93-gazette")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub password: SecretString,
    #[schema(max_length = 100, example = "Ada")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub first_name: Option<String>,
    #[schema(max_length = 100, example = "Lovelace")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub last_name: Option<String>,
    /// What the account is called; the person's name where it is left out.
    #[schema(max_length = 100)]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub account_name: Option<String>,
    /// `free-trial` or `free`. Sign-up gives the free trial, or `free` where there is none, whichever is asked for.
    #[schema(example = "free-trial")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub plan_slug: Option<String>,
}

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    #[schema(required = true, format = "email", example = "ada@example.com")]
    #[serde(default)]
    #[garde(custom(is_not_empty))]
    pub email: String,
    #[schema(required = true, value_type = String, format = "password", example = "plover-tannin-93-gazette")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub password: SecretString,
}

pub(super) fn is_given(secret: &SecretString, (): &()) -> garde::Result {
    if secret.expose_secret().is_empty() {
        Err(garde::Error::new("It is required."))
    } else {
        Ok(())
    }
}

pub(super) fn is_email(address: &str, context: &()) -> garde::Result {
    is_not_empty(address, context)?;
    normal_email(address)
        .map(drop)
        .ok_or_else(|| garde::Error::new("It must be an e-mail address, like ada@example.com."))
}

pub(super) fn signed_in(service: &Service, status: StatusCode, story: SignedInStory) -> Response {
    let me = shapes::Me::from(&story.profile);
    let answer = shapes::SignedIn {
        access: story.access,
        expires_in: service.core.tokens.ttl_seconds,
        user: me.user,
        account: me.account,
        subscription: me.subscription,
    };
    data(status, answer)
}

refusals!(RegisterRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed WeakPassword EmailTaken
    PaidPlanNeedsPayment EnterpriseNeedsStaff PlanUnavailable PlanMisconfigured StorageUnavailable);

/// Sign up: a user, an account on the free trial, its credits and its first period, at once or not at all.
#[utoipa::path(
    post, path = "/api/v1/auth/register/", tag = "auth", request_body = RegisterBody,
    responses((status = 201, description = "Signed up and in", body = Envelope<shapes::SignedIn>), RegisterRefusals)
)]
pub async fn register(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Object(body): Object<RegisterBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let registration = Registration {
        email: normal_email(&body.email).unwrap_or_default(),
        password: body.password,
        first_name: trimmed(body.first_name).unwrap_or_default(),
        last_name: trimmed(body.last_name).unwrap_or_default(),
        account_name: trimmed(body.account_name),
        plan_slug: trimmed(body.plan_slug),
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let story = service
        .stories
        .run(async move { sign_up(&core, registration).await })
        .await?;
    Ok(signed_in(&service, StatusCode::CREATED, story))
}

refusals!(LoginRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed InvalidCredentials
    StorageUnavailable);

/// Sign in. An unknown address and a wrong password get the same answer.
#[utoipa::path(
    post, path = "/api/v1/auth/login/", tag = "auth", request_body = LoginBody,
    responses((status = 200, description = "Signed in", body = Envelope<shapes::SignedIn>), LoginRefusals)
)]
pub async fn login(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Object(body): Object<LoginBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let login = Login {
        email: normal_email(&body.email),
        password: body.password,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let story = service.stories.run(async move { sign_in(&core, login).await }).await?;
    Ok(signed_in(&service, StatusCode::OK, story))
}

refusals!(LogoutRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Sign out: ends the sign-in of the access token, if one is sent, and expires every cookie of ours. Needs nothing, and
/// may be repeated.
#[utoipa::path(
    post, path = "/api/v1/auth/logout/", tag = "auth", security((), ("bearer" = [])),
    responses((status = 204, description = "Signed out"), LogoutRefusals)
)]
pub async fn logout(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, Refused> {
    let token = bearer(&headers).ok().map(str::to_owned);
    let core = service.core.clone();
    service
        .stories
        .run(async move { sign_out(&core, token.as_deref(), request_id.0).await })
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
    let profile = read::profile(&service.core, identity.user_id).await?;
    Ok(data(StatusCode::OK, shapes::Me::from(&profile)))
}
