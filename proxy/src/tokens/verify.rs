//! Verification of one JWT. Pure: the token, the key set, the issuer and the time go in, claims or a reason come out.
//!
//! Where the standards leave a choice, the narrow one is taken:
//!
//! - `typ` must be `at+jwt` or, as RFC 9068, section 4 has it, `application/at+jwt`; media types have no case.
//! - `kid` is required, and the algorithm is the key's: `alg` has to agree with it (RFC 8725, section 3.1).
//! - Dates are whole numbers. RFC 7519 would let them have fractions; the core never writes any.
//! - `aud` is one string. An array is refused even when it holds the right audience.
//! - Leeway moves `exp`, `nbf` and `iat` alike.

use super::keys::{Key, KeySet};
use super::strict;
use igny8_contract::claims::{ACCESS_TOKEN_TYPE, AccessClaims};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::Value;

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The most leeway that an issuer may be given, in seconds.
pub const LEEWAY_MAX_SECONDS: i64 = 30;
/// The longest `sid` and `jti`, in bytes.
const NAME_MAX: usize = 256;
/// The last second of the year 9999: later dates are mistakes or attacks.
const DATE_MAX: i64 = 253_402_300_799;

/// Header members that would move trust from our configuration into the token (keys and where to fetch them), or that
/// change what is signed. Each is refused, whatever its value.
const FORBIDDEN_HEADER_MEMBERS: [&str; 6] = ["crit", "jku", "x5u", "jwk", "b64", "x5c"];

/// Whose tokens are accepted, and for whom.
#[derive(Clone, Debug)]
pub struct Issuer {
    iss: Box<str>,
    aud: Box<str>,
    leeway_seconds: i64,
}

/// Why an issuer's configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    #[error("iss and aud must not be empty")]
    Empty,
    #[error("leeway must lie between 0 and 30 seconds")]
    Leeway,
}

impl Issuer {
    /// An issuer: the exact `iss` and `aud` of its tokens, and by how many seconds its clock may differ from ours.
    ///
    /// # Errors
    /// An empty name, or a leeway outside 0 to 30 seconds.
    pub fn new(iss: &str, aud: &str, leeway_seconds: i64) -> Result<Self, IssuerError> {
        if iss.is_empty() || aud.is_empty() {
            return Err(IssuerError::Empty);
        }
        if !(0..=LEEWAY_MAX_SECONDS).contains(&leeway_seconds) {
            return Err(IssuerError::Leeway);
        }
        Ok(Self {
            iss: iss.into(),
            aud: aud.into(),
            leeway_seconds,
        })
    }
}

/// Why a token is refused. For logs: clients are told no more than [`TokenError::refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("longer than 8 KiB")]
    TooLong,
    #[error("not three parts of canonical base64url")]
    Form,
    #[error("the header is not a JSON object with unique names")]
    HeaderJson,
    #[error("the header has a member that is never accepted")]
    HeaderMember,
    #[error("typ is not at+jwt")]
    Type,
    #[error("no kid")]
    NoKeyId,
    #[error("the kid is not in the key set")]
    UnknownKey,
    #[error("alg is not the key's")]
    Algorithm,
    #[error("the signature is not the key's")]
    Signature,
    #[error("the payload is not a JSON object with unique names")]
    PayloadJson,
    #[error("a claim is missing or of another type")]
    Claims,
    #[error("iss is another")]
    Issuer,
    #[error("aud is another")]
    Audience,
    #[error("sub or account_id is not a positive number")]
    Subject,
    #[error("a date is out of range")]
    Date,
    #[error("nbf or iat lies in the future")]
    NotYetValid,
    #[error("expired")]
    Expired,
}

impl TokenError {
    /// What the client is told. Only a token that is right in everything else is told that it has expired.
    #[must_use]
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::Expired => Refusal::TokenExpired,
            Self::TooLong
            | Self::Form
            | Self::HeaderJson
            | Self::HeaderMember
            | Self::Type
            | Self::NoKeyId
            | Self::UnknownKey
            | Self::Algorithm
            | Self::Signature
            | Self::PayloadJson
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::Subject
            | Self::Date
            | Self::NotYetValid => Refusal::TokenInvalid,
        }
    }
}

/// Verifies a token in compact form and gives back what it says.
///
/// # Errors
/// The first thing that is wrong. Nothing of the payload is looked at before the signature holds.
pub fn verify_compact(
    token: &[u8],
    keys: &KeySet,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<AccessClaims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = split_last(token).ok_or(TokenError::Form)?;
    let (header, payload) = split_last(signed).ok_or(TokenError::Form)?;
    if header.contains(&b'.') {
        return Err(TokenError::Form);
    }
    let decoded = |part| {
        strict::base64url(part)
            .filter(|bytes| !bytes.is_empty())
            .ok_or(TokenError::Form)
    };
    let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);

    let key = key_of(&header, keys)?;
    if !key.verifies(signed, &signature) {
        return Err(TokenError::Signature);
    }
    let payload = strict::json_object(&payload).ok_or(TokenError::PayloadJson)?;
    let claims: AccessClaims = serde_json::from_value(Value::Object(payload)).map_err(|_| TokenError::Claims)?;
    check(&claims, issuer, now)?;
    Ok(claims)
}

/// What stands before and after the last dot.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().rposition(|byte| *byte == b'.')?;
    Some((&text[..dot], &text[dot + 1..]))
}

/// The key that the header names, if everything in the header is acceptable.
fn key_of<'k>(header: &[u8], keys: &'k KeySet) -> Result<&'k Key, TokenError> {
    let header = strict::json_object(header).ok_or(TokenError::HeaderJson)?;
    if FORBIDDEN_HEADER_MEMBERS
        .iter()
        .any(|member| header.contains_key(*member))
    {
        return Err(TokenError::HeaderMember);
    }
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    if !text("typ").is_some_and(is_access_token_type) {
        return Err(TokenError::Type);
    }
    let key = keys
        .find(text("kid").ok_or(TokenError::NoKeyId)?)
        .ok_or(TokenError::UnknownKey)?;
    if text("alg") != Some(key.algorithm().as_str()) {
        return Err(TokenError::Algorithm);
    }
    Ok(key)
}

fn is_access_token_type(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        Some(_) | None => typ,
    };
    short.eq_ignore_ascii_case(ACCESS_TOKEN_TYPE)
}

/// Checks what the claims say. Expiry comes last, so that nothing else can be learned from an expired token.
fn check(claims: &AccessClaims, issuer: &Issuer, now: Timestamp) -> Result<(), TokenError> {
    if *claims.iss != *issuer.iss {
        return Err(TokenError::Issuer);
    }
    if *claims.aud != *issuer.aud {
        return Err(TokenError::Audience);
    }
    if claims.user_id().is_none() || claims.account_id.0 <= 0 {
        return Err(TokenError::Subject);
    }
    if [&claims.sid, &claims.jti]
        .iter()
        .any(|name| !(1..=NAME_MAX).contains(&name.len()))
    {
        return Err(TokenError::Claims);
    }
    if [claims.exp, claims.nbf, claims.iat]
        .iter()
        .any(|date| !(0..=DATE_MAX).contains(date))
    {
        return Err(TokenError::Date);
    }
    let now = now.unix_seconds();
    if claims.nbf.max(claims.iat) > now + issuer.leeway_seconds {
        return Err(TokenError::NotYetValid);
    }
    if now >= claims.exp + issuer.leeway_seconds {
        return Err(TokenError::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
