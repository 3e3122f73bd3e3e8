//! How refresh tokens travel: in a cookie of their own, or in bodies for clients that keep no cookies.
//!
//! No other cookie means anything to the API. Under TLS the cookie has the `__Host-` prefix: no other host can plant it.

use super::Service;
use super::answer::Refused;
use super::shapes;
use crate::app::sign_in::SignedIn;
use axum::response::Response;
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use igny8_contract::refusal::Refusal;
use secrecy::{ExposeSecret, SecretString};

/// Without TLS, in development.
const PLAIN: &str = "igny8_refresh";
const UNDER_TLS: &str = "__Host-igny8_refresh";

/// How a refresh token is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Cookie,
    Body,
}

impl Delivery {
    /// As a body asks for it. A word that is not valid was refused before.
    #[must_use]
    pub fn asked_for(word: Option<&str>) -> Self {
        if word == Some("body") { Self::Body } else { Self::Cookie }
    }
}

/// `cookie` or `body`, if anything is written.
pub(super) fn is_delivery(word: &Option<String>, (): &()) -> garde::Result {
    match word.as_deref() {
        None | Some("cookie" | "body") => Ok(()),
        Some(_) => Err(garde::Error::new("It must be cookie or body.")),
    }
}

/// Whether the client speaks TLS: the proxy says so.
pub(super) fn is_tls(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

/// The refresh token that the browser sends by itself; nothing where it sends none.
///
/// # Errors
/// `credentials_ambiguous` where it sends several.
pub fn brought(headers: &HeaderMap) -> Result<Option<SecretString>, Refusal> {
    let name = if is_tls(headers) { UNDER_TLS } else { PLAIN };
    let mut found: Option<&str> = None;
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    for pair in fields.flat_map(|field| field.split(';')) {
        let Some((_, value)) = pair.split_once('=').filter(|(key, _)| key.trim() == name) else {
            continue;
        };
        match found.replace(value.trim()) {
            Some(before) if before != value.trim() => return Err(Refusal::CredentialsAmbiguous),
            _ => {}
        }
    }
    Ok(found.map(SecretString::from))
}

/// Refuses a request that a page of another origin has made.
///
/// # Errors
/// `origin_refused`.
pub fn only_own_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    // The proxy passes the Host on as the client sent it.
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = authority
        .zip(host)
        .is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host));
    if own && origins.next().is_none() {
        Ok(())
    } else {
        Err(Refusal::OriginRefused)
    }
}

/// The answer to whoever has signed in, with the refresh token where it belongs.
///
/// # Errors
/// `internal` where the cookie could not be written.
pub fn deliver(
    service: &Service,
    status: StatusCode,
    story: &SignedIn,
    delivery: Delivery,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let me = shapes::Me::from(&story.profile);
    let in_body = delivery == Delivery::Body;
    let answer = shapes::SignedIn {
        access: story.access.clone(),
        expires_in: service.core.tokens.ttl_seconds,
        refresh: in_body.then(|| story.refresh.expose_secret().to_owned()),
        user: me.user,
        account: me.account,
        subscription: me.subscription,
    };
    let mut response = super::answer::data(status, answer);
    if !in_body {
        let value = HeaderValue::from_str(&cookie(story, is_tls(headers)));
        let mut value = value.map_err(|_| Refused::from(Refusal::Internal))?;
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
    Ok(response)
}

fn cookie(story: &SignedIn, tls: bool) -> String {
    let (name, rest) = if tls {
        (UNDER_TLS, "Path=/; HttpOnly; Secure; SameSite=Strict")
    } else {
        (PLAIN, "Path=/api/v1/auth/; HttpOnly; SameSite=Strict")
    };
    let (token, seconds) = (story.refresh.expose_secret(), story.refresh_seconds);
    format!("{name}={token}; Max-Age={seconds}; {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_cookie_is_read_by_its_name_and_only_under_the_name_that_fits() {
        let read = |fields: &[(&'static str, &'static str)]| {
            brought(&headers(fields)).map(|token| token.map(|token| token.expose_secret().to_owned()))
        };
        let plain = ("cookie", "a=1; igny8_refresh=igr_x; __Host-igny8_refresh=igr_y");
        assert_eq!(read(&[plain]), Ok(Some("igr_x".into())));
        assert_eq!(read(&[plain, ("x-forwarded-proto", "https")]), Ok(Some("igr_y".into())));
        assert_eq!(read(&[("cookie", "sessionid=igr_x; xigny8_refresh=igr_x")]), Ok(None));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(
            read(&[plain, ("cookie", "igny8_refresh=igr_x")]),
            Ok(Some("igr_x".into()))
        );
        assert_eq!(
            read(&[plain, ("cookie", "igny8_refresh=igr_z")]),
            Err(Refusal::CredentialsAmbiguous)
        );
    }

    #[test]
    fn another_origin_is_refused() {
        let from =
            |origin: &'static str| only_own_origin(&headers(&[("host", "example.com:8080"), ("origin", origin)]));
        assert_eq!(only_own_origin(&headers(&[("host", "example.com")])), Ok(()));
        assert_eq!(from("http://example.com:8080"), Ok(()));
        assert_eq!(from("https://EXAMPLE.com:8080"), Ok(()));
        for origin in [
            "null",
            "",
            "http://example.com",
            "http://evil.example",
            "example.com:8080",
            "http://example.com:8080/",
        ] {
            assert_eq!(from(origin), Err(Refusal::OriginRefused), "{origin}");
        }
        let twice = [("host", "a"), ("origin", "http://a"), ("origin", "http://b")];
        assert_eq!(only_own_origin(&headers(&twice)), Err(Refusal::OriginRefused));
        assert_eq!(
            only_own_origin(&headers(&[("origin", "http://a")])),
            Err(Refusal::OriginRefused)
        );
    }
}
