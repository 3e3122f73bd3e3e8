//! The second factor of staff.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::auth_bodies::{CodeBody, EnrolBody};
use super::bearer::Staff;
use super::body::Object;
use super::openapi::refusals;
use super::passage::RequestId;
use super::shapes::rfc_3339;
use super::valid::valid;
use crate::app::second_factor::{self, confirm, enrol, switch_off};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

/// Where the second factor stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecondFactor {
    /// Whether signing in asks for a code.
    pub enabled: bool,
    /// Since when; null where it does not.
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub enabled_at: Option<String>,
    #[schema(example = 10)]
    pub recovery_codes_left: i64,
}

/// What an authenticator app needs to know. It is shown this once.
#[derive(Serialize, ToSchema)]
pub struct Enrolment {
    /// In base 32, for typing.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    pub secret: String,
    /// For a picture to be scanned.
    #[schema(
        example = "otpauth://totp/igny8:staff%40example.com?secret=…&issuer=igny8&algorithm=SHA1&digits=6&period=30"
    )]
    pub otpauth_uri: String,
}

/// Codes that each stand in once for the authenticator app. They are shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    pub recovery_codes: Vec<String>,
}

/// They hold secrets.
macro_rules! without_debug {
    ($($name:ident)+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    )+};
}
without_debug!(Enrolment RecoveryCodes);

refusals!(StandingRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing RoleRequired
    StorageUnavailable);

/// Where one's second factor stands.
#[utoipa::path(
    get, path = "/api/v1/auth/totp/", tag = "auth", security(("bearer" = [])),
    responses((status = 200, description = "It", body = Envelope<SecondFactor>), StandingRefusals)
)]
pub async fn get_totp(State(service): State<Service>, Staff(identity): Staff) -> Result<Response, Refused> {
    let standing = second_factor::standing(&service.core, identity.user_id).await?;
    let answer = SecondFactor {
        enabled: standing.on_since.is_some(),
        enabled_at: standing.on_since.map(rfc_3339),
        recovery_codes_left: standing.recovery_codes_left,
    };
    Ok(data(StatusCode::OK, answer))
}

refusals!(EnrolRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed InvalidCredentials
    TotpAlreadyOn Throttled CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing RoleRequired
    StorageUnavailable);

/// Begin to enrol: a secret for an authenticator app. Nothing is asked for before it is confirmed.
#[utoipa::path(
    post, path = "/api/v1/auth/totp/", tag = "auth", security(("bearer" = [])), request_body = EnrolBody,
    responses((status = 201, description = "The secret", body = Envelope<Enrolment>), EnrolRefusals)
)]
pub async fn enrol_totp(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Staff(identity): Staff,
    Object(body): Object<EnrolBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let core = service.core.clone();
    let story = async move { enrol(&core, identity.user_id, body.password, request_id.0).await };
    let enrolment = service.stories.run(story).await?;
    let answer = Enrolment {
        secret: enrolment.secret.expose_secret().to_owned(),
        otpauth_uri: enrolment.uri.expose_secret().to_owned(),
    };
    Ok(data(StatusCode::CREATED, answer))
}

refusals!(CodeRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed TotpInvalid TotpAlreadyOn
    NotFound Throttled CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing RoleRequired
    StorageUnavailable);

/// Switch the second factor on with a code of the authenticator app.
#[utoipa::path(
    post, path = "/api/v1/auth/totp/confirm/", tag = "auth", security(("bearer" = [])), request_body = CodeBody,
    responses((status = 200, description = "On", body = Envelope<RecoveryCodes>), CodeRefusals)
)]
pub async fn confirm_totp(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Staff(identity): Staff,
    Object(body): Object<CodeBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let core = service.core.clone();
    let story = async move { confirm(&core, identity.user_id, body.code, request_id.0).await };
    let recovery_codes = service.stories.run(story).await?;
    Ok(data(StatusCode::OK, RecoveryCodes { recovery_codes }))
}

/// Switch the second factor off with a code of the authenticator app, or with a recovery code.
#[utoipa::path(
    delete, path = "/api/v1/auth/totp/", tag = "auth", security(("bearer" = [])), request_body = CodeBody,
    responses((status = 204, description = "Off"), CodeRefusals)
)]
pub async fn disable_totp(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Staff(identity): Staff,
    Object(body): Object<CodeBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let core = service.core.clone();
    let story = async move { switch_off(&core, identity.user_id, body.code, request_id.0).await };
    service.stories.run(story).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
