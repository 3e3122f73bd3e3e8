//! Verification of one JWT in compact form (RFC 7515, RFC 7519). Pure: bytes, keys, rules and the time go in, claims or a
//! reason come out.
//!
//! Where the standards leave a choice, the narrow one is taken:
//!
//! - `typ` must be the issuer's: `at+jwt` for the core or, as RFC 9068, section 4 has it, `application/at+jwt`; media types
//!   have no case.
//! - `kid` is required where there is a key set, and the algorithm is the key's: `alg` has to agree with it (RFC 8725,
//!   section 3.1).
//! - Of the payload, `iss` alone is read before the signature holds, and only to choose whose keys are asked.

use super::keys::{Key, KeySet};
use super::strict::{self, Member, Members};
use igny8_contract::claims::AccessClaims;
use igny8_contract::refusal::Refusal;

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Header members that would move trust from our configuration into the token (keys and where to fetch them), or that
/// change what is signed. Each is refused, whatever its value.
const FORBIDDEN_HEADER_MEMBERS: [&str; 6] = ["crit", "jku", "x5u", "jwk", "b64", "x5c"];

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
    #[error("typ is not the issuer's")]
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
    #[error("iss is nobody's whom we know, or not the key's owner")]
    Issuer,
    #[error("aud is another")]
    Audience,
    #[error("the user or the account is not named in a form that can be passed on")]
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

/// A token taken apart; nothing in it is verified yet.
#[derive(Debug)]
pub struct Compact<'t> {
    typ: Option<Box<str>>,
    alg: Option<Box<str>>,
    kid: KeyId,
    payload: Vec<u8>,
    signed: &'t [u8],
    signature: Vec<u8>,
}

/// Which key the header names.
#[derive(Debug)]
enum KeyId {
    Named(Box<str>),
    /// By something that is no text.
    Odd,
    None,
}

/// What a payload says, read strictly.
#[derive(Debug)]
pub struct Claims<'t> {
    payload: &'t [u8],
    members: Members<'t>,
}

impl<'t> Claims<'t> {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Member<'t>> {
        self.members.get(name)
    }

    /// The claim of a name, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.text(name)
    }

    /// The claims as the core writes them.
    ///
    /// # Errors
    /// `Claims`.
    pub fn of_core(&self) -> Result<AccessClaims, TokenError> {
        serde_json::from_slice(self.payload).map_err(|_| TokenError::Claims)
    }
}

impl<'t> Compact<'t> {
    /// Takes a token apart and reads its header.
    ///
    /// # Errors
    /// A token that is too long, is not three parts of canonical base64url, or whose header nobody may have.
    pub fn parse(token: &'t [u8]) -> Result<Self, TokenError> {
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
        let header = strict::json_object(&header).ok_or(TokenError::HeaderJson)?;
        if FORBIDDEN_HEADER_MEMBERS.iter().any(|member| header.has(member)) {
            return Err(TokenError::HeaderMember);
        }
        let text = |name| header.text(name).map(Box::from);
        Ok(Self {
            typ: text("typ"),
            alg: text("alg"),
            kid: match header.get("kid") {
                Some(Member::Text(kid)) => KeyId::Named((**kid).into()),
                Some(Member::Number(_) | Member::List(_) | Member::Object(_) | Member::Word) => KeyId::Odd,
                None => KeyId::None,
            },
            payload,
            signed,
            signature,
        })
    }

    /// What the payload says, read strictly; as good as anybody's word until [`Self::verify`] has held.
    ///
    /// # Errors
    /// `PayloadJson`.
    pub fn claims(&self) -> Result<Claims<'_>, TokenError> {
        let members = strict::json_object(&self.payload).ok_or(TokenError::PayloadJson)?;
        Ok(Claims {
            payload: &self.payload,
            members,
        })
    }

    /// Checks that the header's `typ` is this one.
    ///
    /// # Errors
    /// `Type`.
    pub fn check_type(&self, wanted: &str) -> Result<(), TokenError> {
        const PREFIX: &str = "application/";
        let typ = self.typ.as_deref().ok_or(TokenError::Type)?;
        let short = match typ.get(..PREFIX.len()) {
            Some(start) if start.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
            Some(_) | None => typ,
        };
        if short.eq_ignore_ascii_case(wanted) {
            Ok(())
        } else {
            Err(TokenError::Type)
        }
    }

    /// Checks the signature against the key that the header names.
    ///
    /// # Errors
    /// `NoKeyId`, `UnknownKey`, `Algorithm`, `Signature`.
    pub fn verify(&self, keys: &KeySet) -> Result<(), TokenError> {
        let key = self.key(keys)?;
        if self.alg.as_deref() != Some(key.algorithm().as_str()) {
            return Err(TokenError::Algorithm);
        }
        if key.verifies(self.signed, &self.signature) {
            Ok(())
        } else {
            Err(TokenError::Signature)
        }
    }

    fn key<'k>(&self, keys: &'k KeySet) -> Result<&'k Key, TokenError> {
        match &self.kid {
            KeyId::Named(kid) => keys.find(kid).ok_or(TokenError::UnknownKey),
            KeyId::Odd => Err(TokenError::NoKeyId),
            KeyId::None => keys.unnamed().ok_or(TokenError::NoKeyId),
        }
    }
}

/// What stands before and after the last dot.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().rposition(|byte| *byte == b'.')?;
    Some((&text[..dot], &text[dot + 1..]))
}

#[cfg(test)]
mod tests;
