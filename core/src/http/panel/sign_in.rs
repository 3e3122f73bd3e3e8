//! Signing in to the panel, in one step or two, and leaving it.

use super::answer::{html, log, problem, refused, see_other, sentences};
use super::cookies::{FORM, SESSION, brought, expire, form_token, set};
use super::gate::{Seat, Sent, taken};
use crate::app::panel_session::{self, Browser, Step};
use crate::app::sign_in::Visitor;
use crate::domain::user::normal_email;
use crate::http::Service;
use crate::http::answer::Refused;
use crate::http::passage::RequestId;
use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use igny8_contract::refusal::Refusal;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const SIGN_IN: &str = "/admin/sign-in/";

/// The first step's page.
pub async fn show(State(service): State<Service>, headers: HeaderMap) -> Response {
    form(&service, &headers, "sign_in.html", "", "")
}

/// A step's page, its form bound to a cookie of this browser.
fn form(service: &Service, headers: &HeaderMap, template: &str, problem: &str, pending: &str) -> Response {
    let known = brought(headers, FORM);
    let bound = known.clone().unwrap_or_else(|| service.core.unguessable());
    let body = json!({
        "csrf": form_token(&bound), "once": service.core.unguessable(), "problem": problem, "pending": pending,
    });
    let mut response = html(template, &body);
    if known.is_none() {
        set(response.headers_mut(), headers, FORM, &bound);
    }
    response
}

/// A form of the sign-in, and the browser that sent it.
async fn sent(request: Request) -> Result<(HeaderMap, Browser, Sent), Response> {
    let headers = request.headers().clone();
    let Some(form) = brought(&headers, FORM) else {
        let what = "Load the sign-in page again. Your browser must keep cookies.";
        return Err(problem(403, "This form is not valid here", what));
    };
    let (request, sent) = taken(request, &form).await?;
    let (mut parts, _) = request.into_parts();
    let visitor = Visitor::from_request_parts(&mut parts, &()).await;
    let request_id = parts.extensions.get::<RequestId>();
    let browser = Browser {
        visitor: visitor.map_err(|error| refused(&error))?,
        brought: brought(&headers, SESSION),
        request_id: request_id.map_or_else(String::new, |id| id.0.clone()),
        form,
    };
    Ok((headers, browser, sent))
}

/// The first step: address and password.
pub async fn begin(State(service): State<Service>, request: Request) -> Result<Response, Response> {
    let (headers, browser, sent) = sent(request).await?;
    let (email, password) = (
        normal_email(&sent.text("email")),
        SecretString::from(sent.secret("password")),
    );
    let core = service.core.clone();
    let story = async move { panel_session::begin(&core, email, password, browser).await };
    let came = service.stories.run(story).await;
    Ok(stepped(&service, &headers, came, "sign_in.html", ""))
}

/// The second step: a code.
pub async fn go_on(State(service): State<Service>, request: Request) -> Result<Response, Response> {
    let (headers, browser, sent) = sent(request).await?;
    let (pending, code) = (sent.text("pending"), SecretString::from(sent.text("code")));
    let core = service.core.clone();
    let given = pending.clone();
    let story = async move { panel_session::go_on(&core, &given, code, browser).await };
    let came = service.stories.run(story).await;
    Ok(stepped(&service, &headers, came, "code.html", &pending))
}

/// Where a step leads.
fn stepped(
    service: &Service,
    headers: &HeaderMap,
    came: Result<Step, Refused>,
    template: &str,
    pending: &str,
) -> Response {
    match came {
        Ok(Step::In(token)) => {
            let mut response = see_other("/admin/");
            set(response.headers_mut(), headers, SESSION, token.expose_secret());
            expire(response.headers_mut(), headers, FORM);
            response
        }
        Ok(Step::CodeMissing(pending)) => form(service, headers, "code.html", "", &pending),
        Err(error) => {
            log(&error);
            // What the first step has shown may no longer hold: it begins again.
            let again = error.refusal() == Refusal::InvalidCredentials;
            let template = if again { "sign_in.html" } else { template };
            let mut response = form(service, headers, template, &sentences(&error), pending);
            let status = StatusCode::from_u16(error.refusal().status());
            *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if let Some(seconds) = error.retry_after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

/// Leaves the panel.
pub async fn leave(State(service): State<Service>, Extension(seat): Extension<Seat>) -> Response {
    let core = service.core.clone();
    let (token, user, request_id) = (seat.token, seat.user, seat.request_id);
    let story = async move { panel_session::leave(&core, token, user, request_id).await };
    let left = service.stories.run(story).await;
    if let Err(error) = left {
        return refused(&error);
    }
    let mut response = see_other(SIGN_IN);
    expire(response.headers_mut(), &seat.headers, SESSION);
    response
}
