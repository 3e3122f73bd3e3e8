//! What the panel answers: pages, ways on, and what is wrong, all in one dress.

use super::cookies::{NOTE, expire, set};
use super::gate::Seat;
use super::render::render;
use crate::http::Service;
use crate::http::answer::Refused;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use igny8_contract::refusal::Refusal;
use serde_json::{Value, json};

const STYLE: &str = include_str!("panel.css");

/// No script at all; nothing from elsewhere; forms go to us; nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// What every answer of the panel carries. A referrer policy of `no-referrer` would make browsers hide the origin of our own
/// forms from us.
pub async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Goes on by GET.
#[must_use]
pub fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// Goes on to where the note is shown, once.
#[must_use]
pub fn see_note(seat: &Seat, to: &str, note: Note) -> Response {
    let mut response = see_other(to);
    set(response.headers_mut(), &seat.headers, NOTE, note.word());
    response
}

/// What has just been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    Confirmed,
    Suspended,
    Reinstated,
    Renewed,
    Assigned,
    Adjusted,
    Revoked,
    Ended,
}

impl Note {
    const ALL: [Self; 8] = [
        Self::Confirmed,
        Self::Suspended,
        Self::Reinstated,
        Self::Renewed,
        Self::Assigned,
        Self::Adjusted,
        Self::Revoked,
        Self::Ended,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Suspended => "suspended",
            Self::Reinstated => "reinstated",
            Self::Renewed => "renewed",
            Self::Assigned => "assigned",
            Self::Adjusted => "adjusted",
            Self::Revoked => "revoked",
            Self::Ended => "ended",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Confirmed => "The payment is confirmed.",
            Self::Suspended => "The account is suspended.",
            Self::Reinstated => "The account stands as its subscription says.",
            Self::Renewed => "The subscription is renewed.",
            Self::Assigned => "The plan is assigned.",
            Self::Adjusted => "The credits are adjusted.",
            Self::Revoked => "The API key is revoked.",
            Self::Ended => "The sign-ins are ended.",
        }
    }
}

/// A page for whoever sits in the panel. `body` is what its template fills in.
pub fn page(service: &Service, seat: &Seat, template: &str, mut body: Value) -> Response {
    let note = seat.note.as_deref();
    let note = note.and_then(|word| Note::ALL.into_iter().find(|note| note.word() == word));
    if let Some(members) = body.as_object_mut() {
        members.insert("me".into(), json!(seat.user.email));
        members.insert("csrf".into(), json!(seat.form_token()));
        members.insert("once".into(), json!(service.core.unguessable()));
        members.insert("note".into(), json!(note.map_or("", Note::sentence)));
        members.entry("problem").or_insert(json!(""));
    }
    let mut response = html(template, &body);
    if seat.note.is_some() {
        expire(response.headers_mut(), &seat.headers, NOTE);
    }
    response
}

/// A page.
#[must_use]
pub fn html(template: &str, body: &Value) -> Response {
    match render(template, body) {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(template, %error, "a page of the panel could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that says what is wrong.
#[must_use]
pub fn problem(status: u16, title: &str, what: &str) -> Response {
    let body = json!({"title": title, "what": what});
    let mut response = html("problem.html", &body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// What a refusal says, for people.
#[must_use]
pub fn sentences(refused: &Refused) -> String {
    let fields = refused.fields.iter().flatten();
    let mut text = refused.refusal().sentence().to_owned();
    for (name, sentence) in fields {
        text.push_str(&format!(" {}: {sentence}", name.replace('_', " ")));
    }
    text
}

/// Notes what happened for our own log alone.
pub fn log(refused: &Refused) {
    if let Some(cause) = refused.cause.as_deref() {
        tracing::error!(code = refused.refusal().code(), cause, "a request to the panel failed");
    }
}

/// A refusal as a page of its own.
#[must_use]
pub fn refused(refused: &Refused) -> Response {
    log(refused);
    let title = match refused.refusal() {
        Refusal::NotFound => "There is no such page",
        Refusal::RoleRequired => "This is not open to you",
        _ => "This did not work",
    };
    let mut response = problem(refused.refusal().status(), title, &sentences(refused));
    if let Some(seconds) = refused.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `/admin` without its slash is not where the session's cookie goes.
pub async fn home() -> Response {
    see_other("/admin/")
}

/// Every path that is no page.
pub async fn missing(_: Extension<Seat>, State(_): State<Service>) -> Response {
    refused(&Refusal::NotFound.into())
}

/// The one style sheet.
pub async fn style() -> Response {
    let mut response = Response::new(Body::from(STYLE));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
