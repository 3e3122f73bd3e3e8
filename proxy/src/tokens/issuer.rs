//! Whose tokens are accepted, for whom, and who their claims say is asking. Pure.
//!
//! - Dates are whole numbers. RFC 7519 would let them have fractions; nobody in practice writes any.
//! - The core's `aud` is one string; an array is refused even when it holds the right audience. Other issuers may write an
//!   array, as OpenID providers do.
//! - Leeway moves `exp`, `nbf` and `iat` alike.
//! - Another issuer's account and user get a prefix that no other issuer has: nobody can name another's accounts.

use super::keys::KeySet;
use super::strict::Member;
use super::verify::{Claims, Compact, TokenError};
use crate::policy::identity::{Foreign, Identity};
use igny8_contract::claims::{ACCESS_TOKEN_TYPE, AccessClaims, AccountRole};
use igny8_contract::time::Timestamp;
use std::borrow::Cow;

/// The most leeway that an issuer may be given, in seconds.
pub const LEEWAY_MAX_SECONDS: i64 = 30;
/// The longest `sid`, `jti` and `sub`, and the longest name of an account or user of another issuer, in bytes.
const NAME_MAX: usize = 256;
/// The last second of the year 9999: later dates are mistakes or attacks.
pub(super) const DATE_MAX: i64 = 253_402_300_799;
/// The longest `aud` array.
const AUDIENCES_MAX: usize = 16;

/// An issuer, and how its tokens are read.
#[derive(Clone, Debug)]
pub struct Issuer {
    iss: Box<str>,
    aud: Box<str>,
    leeway_seconds: i64,
    claims: ClaimRules,
}

/// How an issuer's claims are read.
#[derive(Clone, Debug)]
pub enum ClaimRules {
    /// As the core writes them: [`AccessClaims`]. Staff roles count here and nowhere else.
    Core,
    /// As another issuer writes them.
    Foreign(ForeignClaims),
}

/// Which claims of another issuer say who is asking.
#[derive(Clone, Debug)]
pub struct ForeignClaims {
    /// The header's `typ`.
    pub typ: Box<str>,
    pub account_claim: Box<str>,
    pub user_claim: Box<str>,
    /// Where there is none, the app is told no role.
    pub role_claim: Option<Box<str>>,
    pub account_prefix: Box<str>,
    pub user_prefix: Box<str>,
    /// Whether the core is asked for the account's standing.
    pub asks_core: bool,
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
    pub fn new(iss: &str, aud: &str, leeway_seconds: i64, claims: ClaimRules) -> Result<Self, IssuerError> {
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
            claims,
        })
    }

    /// Whether the claims say that they are this issuer's. They may lie: its keys decide.
    #[must_use]
    pub fn is_named_in(&self, claims: &Claims<'_>) -> bool {
        claims.text("iss") == Some(&*self.iss)
    }

    /// Who is asking, once everything about the token holds.
    ///
    /// # Errors
    /// The first thing that is wrong. Expiry comes last, so that nothing else can be learned from an expired token.
    pub fn prove(
        &self,
        token: &Compact<'_>,
        claims: &Claims<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Identity, TokenError> {
        match &self.claims {
            ClaimRules::Core => {
                let claims = self.core_claims(token, claims, keys, now)?;
                Identity::of(claims).ok_or(TokenError::Subject)
            }
            ClaimRules::Foreign(rules) => {
                token.check_type(&rules.typ)?;
                token.verify(keys)?;
                self.foreign(claims, rules, now)
            }
        }
    }

    pub(super) fn core_claims(
        &self,
        token: &Compact<'_>,
        claims: &Claims<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<AccessClaims, TokenError> {
        token.check_type(ACCESS_TOKEN_TYPE)?;
        token.verify(keys)?;
        let claims = claims.of_core()?;
        if *claims.iss != *self.iss {
            return Err(TokenError::Issuer);
        }
        if *claims.aud != *self.aud {
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
        self.check_dates(claims.exp, [claims.nbf, claims.iat].into_iter(), now)?;
        Ok(claims)
    }

    fn foreign(&self, claims: &Claims<'_>, rules: &ForeignClaims, now: Timestamp) -> Result<Identity, TokenError> {
        let text = |name: &str| claims.text(name);
        if text("iss") != Some(&*self.iss) {
            return Err(TokenError::Issuer);
        }
        if !self.is_meant_by(claims.get("aud")) {
            return Err(TokenError::Audience);
        }
        if !text("sub").is_some_and(|sub| (1..=NAME_MAX).contains(&sub.len())) {
            return Err(TokenError::Claims);
        }
        let name = |claim: &str| named(claims.get(claim).ok_or(TokenError::Claims)?).ok_or(TokenError::Subject);
        let account = [&*rules.account_prefix, &*name(&rules.account_claim)?].concat();
        let user = [&*rules.user_prefix, &*name(&rules.user_claim)?].concat();
        let role = match &rules.role_claim {
            Some(claim) => Some(text(claim).and_then(AccountRole::parse).ok_or(TokenError::Claims)?),
            None => None,
        };
        let exp = date(claims, "exp")?.ok_or(TokenError::Claims)?;
        let others = [date(claims, "nbf")?, date(claims, "iat")?];
        self.check_dates(exp, others.into_iter().flatten(), now)?;
        let foreign = Foreign {
            digest: short_digest(&account),
            account: account.into(),
            asks_core: rules.asks_core,
        };
        Identity::of_foreign(foreign, user, role, exp).ok_or(TokenError::Subject)
    }

    fn is_meant_by(&self, audience: Option<&Member<'_>>) -> bool {
        match audience {
            Some(Member::Text(one)) => **one == *self.aud,
            Some(Member::List(several)) => {
                several.len() <= AUDIENCES_MAX
                    && several.iter().all(|one| one.as_text().is_some())
                    && several.iter().any(|one| one.as_text() == Some(&*self.aud))
            }
            Some(Member::Number(_) | Member::Object(_) | Member::Word) | None => false,
        }
    }

    fn check_dates(
        &self,
        exp: i64,
        mut others: impl Iterator<Item = i64> + Clone,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let reasonable = |date: i64| (0..=DATE_MAX).contains(&date);
        if !reasonable(exp) || !others.clone().all(reasonable) {
            return Err(TokenError::Date);
        }
        let now = now.unix_seconds();
        if others.any(|date| date > now + self.leeway_seconds) {
            return Err(TokenError::NotYetValid);
        }
        if now >= exp + self.leeway_seconds {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

/// The name of an account or a user: a short text of an alphabet that needs no quoting anywhere, or a whole number.
fn named<'c>(value: &'c Member<'_>) -> Option<Cow<'c, str>> {
    let name = match value {
        Member::Text(text) => Cow::Borrowed(&**text),
        Member::Number(number) => Cow::Owned(number.as_u64()?.to_string()),
        Member::List(_) | Member::Object(_) | Member::Word => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'@' | b'|');
    ((1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

/// The start of a name's SHA-256.
fn short_digest(name: &str) -> u64 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    digest
        .as_ref()
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn date(claims: &Claims<'_>, name: &str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Member::Number(number)) => number.as_i64().map(Some).ok_or(TokenError::Claims),
        Some(Member::Text(_) | Member::List(_) | Member::Object(_) | Member::Word) => Err(TokenError::Claims),
    }
}

#[cfg(test)]
mod tests;
