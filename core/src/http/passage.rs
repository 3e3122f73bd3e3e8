//! What every request passes: its id, its trailing slash, its bounded body; and on its way out the one form of refusals,
//! the log line and the counters.

use super::answer::Refused;
use super::body::{gather, is_bodiless, limit, nothing};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use igny8_contract::feed::CHANGES_PATH;
use igny8_contract::headers::REQUEST_ID;
use igny8_contract::random::Random;
use igny8_contract::time::Clock;
use std::sync::Arc;

/// The longest request id that is taken over from the proxy.
const REQUEST_ID_MAX_BYTES: usize = 64;

/// The id of a request, from the edge to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// What the passage needs.
#[derive(Clone)]
pub struct Passage {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// The listener's name in logs and metrics.
    pub listener: &'static str,
}

impl std::fmt::Debug for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Takes a request through.
pub async fn pass(State(passage): State<Passage>, mut request: Request, next: Next) -> Response {
    let begun = passage.clock.elapsed();
    let id = request_id(request.headers(), passage.random.as_ref());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = match prepared(request).await {
        Ok(request) => next.run(request).await,
        Err(refused) => axum::response::IntoResponse::into_response(refused),
    };
    let route = response
        .extensions()
        .get::<Matched>()
        .map_or("", |matched| matched.0.as_str())
        .to_owned();
    let refused = response.extensions().get::<Refused>().cloned();
    let mut response = match &refused {
        Some(refused) => refused.write(response, &id),
        None => response,
    };
    finish(response.headers_mut(), &id);
    let taken = passage.clock.elapsed().saturating_sub(begun);
    let status = response.status().as_u16();
    let code = refused.as_ref().map_or("", |refused| refused.refusal().code());
    if let Some(cause) = refused.as_ref().and_then(|refused| refused.cause.as_deref()) {
        tracing::error!(request_id = %id, code, cause, "a request failed");
    }
    // A path that no route has is the client's own text: kept out of the metrics.
    let shown = if route.is_empty() {
        path.chars().take(128).collect()
    } else {
        route.clone()
    };
    // Every proxy asks for changes some times a second: that is no news.
    if !(route == CHANGES_PATH && status == 200) {
        tracing::info!(
            listener = passage.listener,
            request_id = %id,
            %method,
            route = %shown,
            status,
            code,
            micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
    count(passage.listener, &route, status, code, taken.as_secs_f64());
    response
}

fn count(listener: &'static str, route: &str, status: u16, code: &str, seconds: f64) {
    metrics::counter!(
        "igny8_core_requests_total",
        "listener" => listener, "route" => route.to_owned(), "status" => status.to_string(), "code" => code.to_owned()
    )
    .increment(1);
    metrics::histogram!("igny8_core_request_seconds", "listener" => listener, "route" => route.to_owned())
        .record(seconds);
}

async fn prepared(request: Request) -> Result<Request, Refused> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/api/") {
        parts.uri = with_slash(&parts.uri).ok_or(igny8_contract::refusal::Refusal::MalformedPath)?;
    }
    let bytes = gather(&parts.headers, body, limit(parts.uri.path())).await?;
    if is_bodiless(&parts.method) {
        nothing(&parts.headers, &bytes)?;
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// The URI with its trailing slash: on the API it is optional.
fn with_slash(uri: &Uri) -> Option<Uri> {
    if uri.path().ends_with('/') {
        return Some(uri.clone());
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}/{query}", uri.path())).ok()?);
    Uri::from_parts(parts).ok()
}

/// The proxy's id where it is well formed, else a new one.
fn request_id(headers: &HeaderMap, random: &dyn Random) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let well_formed = |id: &&str| {
        (1..=REQUEST_ID_MAX_BYTES).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(well_formed).map_or_else(
        || {
            let mut bytes = [0_u8; 16];
            random.fill(&mut bytes);
            format!("{:032x}", u128::from_be_bytes(bytes))
        },
        str::to_owned,
    )
}

fn finish(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The route that a request matched, as it is written in the router.
#[derive(Clone, Debug)]
struct Matched(String);

/// Notes on the answer which route it came from. Laid over routes, within the passage.
pub async fn note_route(request: Request, next: Next) -> Response {
    let matched = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| Matched(path.as_str().to_owned()));
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(matched);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;

    #[test]
    fn a_slash_is_added_where_it_is_missing_and_the_query_stays() {
        let slashed = |uri: &str| with_slash(&uri.parse().unwrap()).unwrap().to_string();
        assert_eq!(slashed("/api/v1/plans"), "/api/v1/plans/");
        assert_eq!(slashed("/api/v1/plans/"), "/api/v1/plans/");
        assert_eq!(slashed("/api/v1/plans?a=/b"), "/api/v1/plans/?a=/b");
    }

    #[test]
    fn only_a_well_formed_request_id_is_taken_over() {
        let id = |given: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_bytes(given.as_bytes()).unwrap());
            request_id(&headers, &OsRandom)
        };
        assert_eq!(id("edge-1.a_B"), "edge-1.a_B");
        for given in ["", "a b", "a\"b", "ä", &"a".repeat(65)] {
            let made = id(given);
            assert!(made.len() == 32 && made != given, "{given:?}");
        }
    }
}
