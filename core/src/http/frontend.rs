//! The front end's files as its build made them, for browsers behind the proxy. It knows no account, reads no cookie, and
//! serves nothing but what lies in its folder.

use super::Service;
use super::answer::Refused;
use super::passage::{Passage, pass};
use super::routes::Whole;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::{Router, routing::get};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use igny8_contract::refusal::Refusal;
use std::path::Path;
use std::sync::Arc;
use tower::Layer;
use tower::util::BoxCloneSyncService;
use tower_http::services::{ServeDir, ServeFile};

/// The page of the app; every path of the app is one of its own making.
pub const APP_PAGE: &str = "index.html";
/// Where files lie whose names change with their content.
const HASHED: &str = "/assets/";

/// Files of our own origin and nothing else. Styles may stand in the page: the dialogs' library writes one to keep the page
/// from scrolling behind them. Scripts may not.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; \
                      font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

#[derive(Clone)]
struct Files {
    folder: ServeDir,
    app: ServeFile,
}

/// The listener's whole service: the files of `folder`, within the passage.
#[must_use]
pub fn service(folder: &Path, service: &Service) -> Whole {
    let files = Files {
        folder: ServeDir::new(folder).precompressed_gzip(),
        app: ServeFile::new(folder.join(APP_PAGE)).precompressed_gzip(),
    };
    let passage = Passage {
        clock: Arc::clone(&service.core.clock),
        random: Arc::clone(&service.core.random),
        listener: "frontend",
    };
    let routes = Router::new()
        .fallback(get(serve).fallback(async || Refused::from(Refusal::MethodNotAllowed)))
        .layer(map_response(guarded))
        .with_state(files);
    BoxCloneSyncService::new(from_fn_with_state(passage, pass).layer(routes))
}

async fn serve(State(files): State<Files>, request: Request) -> Result<Response, Refused> {
    let path = request.uri().path().to_owned();
    if path.split('/').any(|segment| segment.starts_with('.')) {
        return Err(Refusal::NoRoute.into());
    }
    let navigates = is_navigation(&path, request.headers());
    let (parts, _) = request.into_parts();
    let again = parts.clone();
    let Files { mut folder, mut app } = files;
    let found = folder.try_call(Request::from_parts(parts, Body::empty())).await;
    let mut response = match found {
        Ok(response) => response.map(Body::new),
        Err(error) if !is_missing(&error) => return Err(unreadable(&error)),
        Err(_) if !navigates => return Err(Refusal::NoRoute.into()),
        Err(_) => {
            let page = app.try_call(Request::from_parts(again, Body::empty())).await;
            page.map_err(|error| unreadable(&error))?.map(Body::new)
        }
    };
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        let kept = HeaderValue::from_static(kept(&path, response.headers()));
        response.headers_mut().insert(CACHE_CONTROL, kept);
    }
    if response.status() == StatusCode::NOT_FOUND {
        return Err(Refusal::NoRoute.into());
    }
    Ok(response)
}

/// Whether there is no such file, as opposed to one that cannot be read.
fn is_missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory | InvalidInput)
}

fn unreadable(error: &std::io::Error) -> Refused {
    Refused {
        reason: Some(Refusal::Internal),
        cause: Some(format!("the front end's files: {error}")),
        ..Refused::default()
    }
}

/// Whether a browser goes to a page of the app with this request, and does not load a part of one. What has an ending is a
/// file; a missing one must not look like a page.
fn is_navigation(path: &str, headers: &HeaderMap) -> bool {
    let is_file = path.starts_with(HASHED) || path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let mode = text(HeaderName::from_static("sec-fetch-mode"));
    let takes_pages = text(ACCEPT).is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*"));
    !is_file && takes_pages && mode.is_none_or(|mode| mode == "navigate")
}

/// How long a browser may keep a file: for ever where its name changes with its content, never without asking where it is a
/// page.
fn kept(path: &str, headers: &HeaderMap) -> &'static str {
    if path.starts_with(HASHED) {
        return "public, max-age=31536000, immutable";
    }
    let is_page = headers
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page { "no-cache" } else { "public, max-age=3600" }
}

/// What every answer carries.
async fn guarded(mut response: Response) -> Response {
    let fields = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_page_of_the_app_is_told_from_a_file_and_from_a_part_of_a_page() {
        for (path, fields, expected) in [
            ("/sites", &[][..], true),
            ("/", &[("accept", "text/html,application/xhtml+xml")], true),
            ("/account/receipts/12", &[("accept", "*/*")], true),
            ("/sites", &[("accept", "application/json")], false),
            ("/sites", &[("accept", "*/*"), ("sec-fetch-mode", "cors")], false),
            (
                "/sites",
                &[("accept", "text/html"), ("sec-fetch-mode", "navigate")],
                true,
            ),
            ("/assets/gone-1a2b3c.js", &[("accept", "*/*")], false),
            ("/assets/", &[("accept", "text/html")], false),
            ("/robots.txt", &[("accept", "text/html")], false),
        ] {
            assert_eq!(is_navigation(path, &headers(fields)), expected, "{path} {fields:?}");
        }
    }
}
