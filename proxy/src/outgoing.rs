//! What becomes of an app's answer on its way to the client: it loses what only the proxy says and gains what the route owes.

use crate::gate::Gate;
use crate::passage::Passage;
use crate::policy::cors;
use crate::policy::edits::{self, SetCookie};
use crate::policy::route::Route;
use crate::throttle;
use http::{HeaderMap, HeaderValue, header};
use pingora::Result;
use pingora::http::ResponseHeader;

/// The fields with which an app would speak of CORS by itself.
const CORS_FIELDS: [header::HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// Edits the head of a final answer, or of one that changes the protocol.
///
/// # Errors
/// Only what pingora itself would refuse to write.
pub fn finish(gate: &Gate, response: &mut ResponseHeader, passage: &Passage) -> Result<()> {
    let route = route_of(gate, passage);
    strip_owned(response);
    keep_sessions(gate, route, response, passage)?;
    for cookie in gate.expired_cookies(passage.expire_sessions.as_deref(), passage.client.tls) {
        response.append_header(header::SET_COOKIE, cookie)?;
    }
    if gate.config.rate_limit_fields {
        insert_rate_fields(response, &passage.rate)?;
    }
    speak_cors(route, response, &passage.cors)?;
    for (name, value) in gate
        .config
        .security
        .missing(&response.headers, route.kind, passage.client.tls)
    {
        response.insert_header(name, value)?;
    }
    Ok(())
}

/// Edits the head of an interim answer (1xx), which loses what a final one would. What the proxy has to say goes with the
/// final one.
///
/// # Errors
/// Only what pingora itself would refuse to write.
pub fn finish_interim(gate: &Gate, response: &mut ResponseHeader, passage: &Passage) -> Result<()> {
    let route = route_of(gate, passage);
    strip_owned(response);
    strip_cors(route, response);
    keep_sessions(gate, route, response, passage)
}

fn route_of<'g>(gate: &'g Gate, passage: &Passage) -> &'g Route {
    &gate.config.routes.all()[passage.forward.route_index()]
}

/// The throttle's fields of an answer.
#[must_use]
pub fn rate_fields(rate: &throttle::Verdict) -> Vec<(&'static str, HeaderValue)> {
    let mut fields = Vec::with_capacity(3);
    fields.extend(rate.policy_value().map(|value| (throttle::RATE_LIMIT_POLICY, value)));
    fields.extend(rate.limit_value().map(|value| (throttle::RATE_LIMIT, value)));
    if !rate.allowed {
        fields.push((throttle::RETRY_AFTER, HeaderValue::from(rate.retry_after_seconds())));
    }
    fields
}

/// The fields that a refusal on a route carries beside the throttle's, as any answer there does.
#[must_use]
pub fn refusal_fields(
    gate: &Gate,
    route: Option<usize>,
    cors: &cors::Verdict,
    secure: bool,
) -> Vec<(&'static str, HeaderValue)> {
    let rule = route.and_then(|route| gate.config.routes.all()[route].edge.cors.as_deref());
    let mut fields = rule.map(|rule| cors::answer_fields(rule, cors)).unwrap_or_default();
    let strict = &gate.config.security.strict_transport_security;
    if let Some(value) = strict.as_ref().filter(|_| secure) {
        fields.push(("Strict-Transport-Security", value.clone()));
    }
    fields
}

fn insert_rate_fields(response: &mut ResponseHeader, rate: &throttle::Verdict) -> Result<()> {
    if let (Some(policy), Some(limit)) = (rate.policy_value(), rate.limit_value()) {
        response.insert_header(throttle::RATE_LIMIT_POLICY, policy)?;
        response.insert_header(throttle::RATE_LIMIT, limit)?;
    }
    Ok(())
}

/// Says of CORS what the route's rule says, and nothing else.
fn speak_cors(route: &Route, response: &mut ResponseHeader, verdict: &cors::Verdict) -> Result<()> {
    let Some(rule) = route.edge.cors.as_deref() else {
        return Ok(());
    };
    strip_cors(route, response);
    let varies = varies_by_origin(&response.headers);
    for (name, value) in cors::answer_fields(rule, verdict) {
        if !(name == "Vary" && varies) {
            response.append_header(name, value)?;
        }
    }
    Ok(())
}

/// Takes away what an app says of CORS where the route has a rule.
fn strip_cors(route: &Route, response: &mut ResponseHeader) {
    if route.edge.cors.is_some() {
        for name in CORS_FIELDS {
            response.remove_header(&name);
        }
    }
}

fn varies_by_origin(answer: &HeaderMap) -> bool {
    let names = answer.get_all(header::VARY).iter();
    names
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"origin"))
}

/// Takes away what only the proxy says, and what runs behind it.
fn strip_owned(response: &mut ResponseHeader) {
    response.remove_header(&header::SERVER);
    if response
        .headers
        .keys()
        .all(|name| edits::answer_field_passes(name.as_str()))
    {
        return;
    }
    let owned: Vec<_> = response
        .headers
        .keys()
        .filter(|name| !edits::answer_field_passes(name.as_str()))
        .cloned()
        .collect();
    for name in owned {
        response.remove_header(&name);
    }
}

/// Keeps sessions where they belong.
fn keep_sessions(gate: &Gate, route: &Route, response: &mut ResponseHeader, passage: &Passage) -> Result<()> {
    if !response.headers.contains_key(header::SET_COOKIE) {
        return Ok(());
    }
    let values: Vec<HeaderValue> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for value in values {
        match edits::set_cookie(value.as_bytes(), route, &gate.config.sessions.rules, passage.client.tls) {
            SetCookie::Keep => drop(response.append_header(header::SET_COOKIE, value)?),
            SetCookie::Drop => {}
            SetCookie::Rescope { cookie, expiry } => {
                response.append_header(header::SET_COOKIE, cookie)?;
                response.append_header(header::SET_COOKIE, expiry)?;
            }
        }
    }
    Ok(())
}
