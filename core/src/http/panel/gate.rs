//! Who gets to a page or an action of the panel: staff with a session that runs, whose role the panel's table allows it to;
//! and with a form, only one that was made for that session and sent from our own pages.

use super::answer::{problem, refused, see_other};
use super::cookies::{NOTE, SESSION, brought, form_token, is_form_of};
use super::form::{self, Values};
use crate::adapters::digest::sha_256;
use crate::app::change::Ask;
use crate::app::panel_session;
use crate::domain::role::{PanelAct, may_in_panel};
use crate::domain::user::User;
use crate::http::Service;
use crate::http::answer::Refused;
use crate::http::idempotency::scope;
use crate::http::passage::RequestId;
use crate::http::refresh_cookie::only_own_origin;
use crate::storage::idempotency::RequestKey;
use crate::storage::trail::Actor;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;

/// The longest `once` of a form.
const ONCE_MAX_BYTES: usize = 64;

/// What stands before a route.
#[derive(Clone, Debug)]
pub struct Gate {
    pub service: Service,
    pub act: PanelAct,
}

/// Who sits in the panel and asks.
#[derive(Clone)]
pub struct Seat {
    pub user: User,
    /// The session's cookie.
    pub token: String,
    /// The word that is to be shown once.
    pub note: Option<String>,
    pub request_id: String,
    pub headers: HeaderMap,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Seat {
    /// What this session's forms carry.
    #[must_use]
    pub fn form_token(&self) -> String {
        form_token(&self.token)
    }

    /// Staff ask something of a customer's account.
    #[must_use]
    pub fn asks(&self, account_id: i64, sent: &Sent) -> Ask {
        Ask {
            account_id: AccountId(account_id),
            actor: Actor::Staff(self.user.id),
            request_id: self.request_id.clone(),
            key: Some(RequestKey {
                scope: scope(self.user.account_id, self.user.id, &sent.route, &sent.once),
                body_digest: sent.digest,
            }),
        }
    }
}

/// A form that has come through the gate. What it holds may be a secret, so it is not printed.
#[derive(Clone)]
pub struct Sent {
    values: Values,
    /// Method and path.
    route: String,
    /// The number of the form: sent twice, it takes effect once.
    once: String,
    digest: [u8; 32],
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent")
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

impl Sent {
    /// A field without white space around it; empty where it was not sent.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.values.get(name).map_or("", |value| value.trim()).to_owned()
    }

    /// A field exactly as it was typed.
    #[must_use]
    pub fn secret(&self, name: &str) -> String {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// A field; nothing where it is empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// A whole number; 0, which nothing has, where it is none.
    #[must_use]
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }
}

/// Lets a request through, or answers it.
pub async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match admitted(&gate, request).await {
        Ok(request) => next.run(request).await,
        Err(answer) => answer,
    }
}

async fn admitted(gate: &Gate, mut request: Request) -> Result<Request, Response> {
    let headers = request.headers().clone();
    let Some(token) = brought(&headers, SESSION) else {
        return Err(see_other("/admin/sign-in/"));
    };
    let sitting = panel_session::sitting(&gate.service.core, &token).await;
    let Some(user) = sitting.map_err(|error| refused(&Refused::from(error)))? else {
        return Err(see_other("/admin/sign-in/"));
    };
    may_in_panel(user.platform_role, gate.act).map_err(|refusal| refused(&refusal.into()))?;
    let request_id = request.extensions().get::<RequestId>();
    let seat = Seat {
        user,
        note: brought(&headers, NOTE),
        request_id: request_id.map_or_else(String::new, |id| id.0.clone()),
        token,
        headers,
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let (again, sent) = taken(request, &seat.token).await?;
        request = again;
        request.extensions_mut().insert(sent);
    }
    request.extensions_mut().insert(seat);
    Ok(request)
}

/// Reads a form that was made for the bearer of `cookie`.
///
/// # Errors
/// The answer to one that was not.
pub async fn taken(request: Request, cookie: &str) -> Result<(Request, Sent), Response> {
    let unreadable = || {
        problem(
            400,
            "This form cannot be read",
            "Load the page again and send it once more.",
        )
    };
    only_own_pages(request.headers()).map_err(|refusal| refused(&refusal.into()))?;
    let kind = request.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded")) {
        return Err(unreadable());
    }
    let route = format!("{} {}", request.method(), request.uri().path());
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(|_| unreadable())?.to_bytes();
    let values = form::read(&bytes).ok_or_else(unreadable)?;
    let field = |name: &str| values.get(name).map_or("", String::as_str);
    if !is_form_of(cookie, field("csrf")) {
        let what = "Load the page again and send it once more: this form was not made for this session.";
        return Err(problem(403, "This form is not valid here", what));
    }
    let once = field("once").to_owned();
    let sent = Sent {
        route,
        digest: sha_256(&bytes),
        once,
        values,
    };
    if sent.once.is_empty() || sent.once.len() > ONCE_MAX_BYTES {
        return Err(unreadable());
    }
    Ok((Request::from_parts(parts, Body::empty()), sent))
}

/// Refuses what a page of somebody else's has sent. Browsers say where a request comes from; who says nothing is no browser,
/// or an old one.
fn only_own_pages(headers: &HeaderMap) -> Result<(), Refusal> {
    let sites = headers.get_all("sec-fetch-site");
    if sites.iter().any(|site| site != "same-origin") {
        return Err(Refusal::OriginRefused);
    }
    only_own_origin(headers)
}

/// The number in a path of the panel.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub i64);

impl FromRequestParts<Service> for Number {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Response> {
        let missing = || refused(&Refusal::NotFound.into());
        let Path(text) = Path::<String>::from_request_parts(parts, service)
            .await
            .map_err(|_| missing())?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(Self).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_somebody_elses_sends_nothing() {
        let judged = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static(value))
            });
            let mut headers: HeaderMap = fields.collect();
            headers.insert("host", http::HeaderValue::from_static("here:1"));
            only_own_pages(&headers)
        };
        assert_eq!(judged(&[]), Ok(()));
        assert_eq!(
            judged(&[("origin", "http://here:1"), ("sec-fetch-site", "same-origin")]),
            Ok(())
        );
        for fields in [
            &[("origin", "http://there:1")][..],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://here:1"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(judged(fields), Err(Refusal::OriginRefused), "{fields:?}");
        }
    }
}
