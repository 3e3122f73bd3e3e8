//! The two forms of an answer: data in its envelope, and a refusal.

use crate::app::{Fields, StoryError};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use igny8_contract::refusal::Refusal;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

/// A successful answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Envelope<T> {
    /// Always true.
    #[schema(example = true)]
    pub success: bool,
    pub data: T,
}

/// `data` with this status, in its envelope.
pub fn data<T: Serialize>(status: StatusCode, data: T) -> Response {
    (status, axum::Json(Envelope { success: true, data })).into_response()
}

/// Says that this answer was given before, to the same request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a story answered, in its envelope.
pub fn answered(answer: crate::app::change::Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = data(status, answer.data);
    if answer.replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// What a story issued, in its envelope: `field` holds the secret, this once.
pub fn issued(issued: crate::app::in_account::Issued, field: &str) -> Response {
    let mut answer = issued.answer;
    if let (Some(secret), Some(members)) = (issued.secret, answer.data.as_object_mut()) {
        members.insert(field.to_owned(), secret.expose_secret().into());
    }
    answered(answer)
}

/// A refusal on its way out. The passage gives it the request's id, its body and its log line.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    pub reason: Option<Refusal>,
    pub fields: Option<Fields>,
    /// For our own log alone: what happened, never a secret.
    pub cause: Option<String>,
    /// After how many seconds it is worth asking again.
    pub retry_after: Option<i64>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: Some(refusal),
            ..Self::default()
        }
    }
}

impl From<StoryError> for Refused {
    fn from(error: StoryError) -> Self {
        let reason = Some(error.refusal());
        match error {
            StoryError::Refused(_) => Self {
                reason,
                ..Self::default()
            },
            StoryError::RefusedFields(_, fields) => Self {
                reason,
                fields: Some(fields),
                ..Self::default()
            },
            StoryError::Throttled(seconds) => Self {
                reason,
                retry_after: Some(seconds),
                ..Self::default()
            },
            StoryError::Storage(_) | StoryError::Shared(_) | StoryError::Fault(_) => Self {
                reason,
                cause: Some(error.to_string()),
                ..Self::default()
            },
        }
    }
}

impl Refused {
    /// `validation_failed` with these fields.
    #[must_use]
    pub fn invalid(fields: Fields) -> Self {
        Self {
            reason: Some(Refusal::ValidationFailed),
            fields: Some(fields),
            ..Self::default()
        }
    }

    /// The refusal that clients are told.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        self.reason.unwrap_or(Refusal::Internal)
    }

    /// Writes the refusal's body and header fields into `response`, keeping what it says beside them (`Allow`).
    #[must_use]
    pub fn write(&self, mut response: Response, request_id: &str) -> Response {
        let refusal = self.refusal();
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.remove(http::header::CONTENT_LENGTH);
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED && !is_about_signing_in(refusal) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge(refusal)));
        }
        if status != StatusCode::METHOD_NOT_ALLOWED {
            headers.remove(ALLOW);
        }
        // A struct of texts always becomes JSON.
        let body = serde_json::to_vec(&refusal.body(request_id, self.fields.as_ref())).unwrap_or_default();
        *response.body_mut() = body.into();
        response
    }
}

/// Whether it is said to somebody who shows a password and no token.
const fn is_about_signing_in(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::InvalidCredentials | Refusal::TotpRequired | Refusal::TotpInvalid
    )
}

/// RFC 6750, section 3: no error code where no credential was sent.
const fn challenge(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::CredentialsRequired => "Bearer",
        Refusal::CredentialsAmbiguous => "Bearer error=\"invalid_request\"",
        _ => "Bearer error=\"invalid_token\"",
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
