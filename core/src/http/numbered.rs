//! The number in a path.

use super::Service;
use super::answer::Refused;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use igny8_contract::refusal::Refusal;

/// The one number in a path. What is none is the number of nothing: 404.
#[derive(Clone, Copy, Debug)]
pub struct Numbered(pub i64);

impl FromRequestParts<Service> for Numbered {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, service)
            .await
            .map_err(|_| Refused::from(Refusal::NotFound))?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        Ok(Self(number.ok_or(Refusal::NotFound)?))
    }
}
