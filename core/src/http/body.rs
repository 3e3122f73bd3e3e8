//! Request bodies: read once, bounded in size and time, before any handler runs; then read as JSON by the handler.

use super::Service;
use super::answer::Refused;
use super::object;
use super::webhooks::STRIPE_PATH;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use igny8_contract::refusal::Refusal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest body that a route takes.
const MAX_BYTES: usize = 64 * 1024;
/// The same for events of Stripe's: an invoice of many lines is long.
const EVENT_MAX_BYTES: usize = 256 * 1024;
/// How much of a body that is too large is read and thrown away, so that its sender gets to read the answer.
const MAX_DISCARDED_BYTES: usize = 32 * 1024 * 1024;
/// How long a body may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The largest body that the route of this path, with its trailing slash, takes.
#[must_use]
pub fn limit(path: &str) -> usize {
    if path == STRIPE_PATH {
        EVENT_MAX_BYTES
    } else {
        MAX_BYTES
    }
}

/// Reads the whole body, of at most `limit` bytes.
///
/// # Errors
/// `body_too_large`, `request_timeout`, `malformed_request` where it breaks off.
pub async fn gather(headers: &HeaderMap, body: Body, limit: usize) -> Result<bytes::Bytes, Refusal> {
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let declared = declared.unwrap_or(0);
    // Who asks first is told before sending anything; what is past all bounds is not worth reading.
    if declared > MAX_DISCARDED_BYTES || (declared > limit && headers.contains_key(EXPECT)) {
        return Err(Refusal::BodyTooLarge);
    }
    tokio::time::timeout(DEADLINE, collect(body, limit))
        .await
        .unwrap_or(Err(Refusal::RequestTimeout))
}

async fn collect(mut body: Body, limit: usize) -> Result<bytes::Bytes, Refusal> {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::MalformedRequest)?.into_data() else {
            continue;
        };
        length += data.len();
        if length <= limit {
            kept.extend_from_slice(&data);
        } else if length > MAX_DISCARDED_BYTES {
            break;
        }
    }
    if length > limit {
        Err(Refusal::BodyTooLarge)
    } else {
        Ok(kept.freeze())
    }
}

/// Refuses a body where none belongs; an empty object is none.
///
/// # Errors
/// `unsupported_media_type`, `malformed_body`, `validation_failed`.
pub fn nothing(headers: &HeaderMap, bytes: &[u8]) -> Result<(), Refused> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    if bytes.is_empty() {
        return Ok(());
    }
    is_json(headers)?;
    object::read::<Nothing>(bytes).map(|Nothing {}| ())
}

/// Whether requests of this method never carry anything in their body.
#[must_use]
pub fn is_bodiless(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Refused> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else {
        return Err(Refusal::UnsupportedMediaType.into());
    };
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let (essence, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let charset = parameters.trim();
    let utf_8 = charset.is_empty() || matches!(charset, "charset=utf-8" | "charset=\"utf-8\"" | "charset=utf8");
    if essence.trim() == "application/json" && utf_8 {
        Ok(())
    } else {
        Err(Refusal::UnsupportedMediaType.into())
    }
}

/// A JSON object as a handler wants it.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Service> for Object<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Service) -> Result<Self, Refused> {
        is_json(request.headers())?;
        let bytes = bytes(request).await?;
        object::read(&bytes).map(Self)
    }
}

/// A JSON object where one is sent; the default where the body is empty.
#[derive(Debug)]
pub struct Perhaps<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Service> for Perhaps<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Service) -> Result<Self, Refused> {
        let headers = request.headers().clone();
        let bytes = bytes(request).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json(&headers)?;
        object::read(&bytes).map(Self)
    }
}

/// No body, or an empty object.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

impl FromRequest<Service> for NoBody {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Service) -> Result<Self, Refused> {
        let headers = request.headers().clone();
        nothing(&headers, &bytes(request).await?).map(|()| Self)
    }
}

/// The body as it came. The passage has bounded it already.
#[derive(Debug)]
pub struct Bytes(pub bytes::Bytes);

impl FromRequest<Service> for Bytes {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Service) -> Result<Self, Refused> {
        bytes(request).await.map(Self)
    }
}

/// The passage has bounded the body already.
async fn bytes(request: Request) -> Result<bytes::Bytes, Refused> {
    let collected = request
        .into_body()
        .collect()
        .await
        .map_err(|_| Refused::from(Refusal::MalformedRequest))?;
    Ok(collected.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_taken() {
        let with = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_json(&headers).is_ok()
        };
        for kind in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(with(kind), "{kind}");
        }
        for kind in [
            "text/json",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/jsonp",
        ] {
            assert!(!with(kind), "{kind}");
        }
        assert!(is_json(&HeaderMap::new()).is_err());
    }
}
