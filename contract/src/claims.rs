//! What an access token of the core says.

use crate::ids::{AccountId, ApiKeyId, UserId};
use crate::standing::TokenFacts;
use serde::{Deserialize, Serialize};

/// The `typ` of an access token's header (RFC 9068, section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The payload of an access token. Dates are Unix seconds (RFC 7519, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: String,
    /// The user id in decimal digits: RFC 7519 wants a string.
    pub sub: String,
    pub account_id: AccountId,
    pub role: AccountRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_role: Option<PlatformRole>,
    /// The sign-in this token came from; ending it makes the token worthless. For an API key's token: [`key_sid`].
    pub sid: String,
    /// The API key that this token was exchanged for. Such a token is for apps alone: its `aud` is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_id: Option<ApiKeyId>,
    pub account_epoch: i64,
    pub user_epoch: i64,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub jti: String,
}

/// What stands in `sid` where a token was exchanged for an API key. No sign-in has such a name.
#[must_use]
pub fn key_sid(id: ApiKeyId) -> String {
    format!("api-key:{id}")
}

impl AccessClaims {
    /// The user of `sub`; nothing when it is not a positive decimal number in its one canonical form.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        let id: i64 = self.sub.parse().ok()?;
        (id > 0 && id.to_string() == self.sub).then_some(UserId(id))
    }
}

impl From<&AccessClaims> for TokenFacts {
    fn from(claims: &AccessClaims) -> Self {
        Self {
            role: claims.role,
            platform_role: claims.platform_role,
            account_epoch: claims.account_epoch,
            user_epoch: claims.user_epoch,
        }
    }
}

/// What a user may do within their account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountRole {
    Viewer,
    Editor,
    Admin,
    Owner,
}

impl AccountRole {
    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Editor, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

/// What a member of staff may do on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformRole {
    Developer,
    Admin,
}

impl PlatformRole {
    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }

    /// The role of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Developer, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(sub: &str) -> AccessClaims {
        AccessClaims {
            iss: "igny8-core".into(),
            aud: "igny8-api".into(),
            sub: sub.into(),
            account_id: AccountId(7),
            role: AccountRole::Owner,
            platform_role: None,
            sid: "s".into(),
            api_key_id: None,
            account_epoch: 0,
            user_epoch: 0,
            iat: 0,
            nbf: 0,
            exp: 0,
            jti: "j".into(),
        }
    }

    #[test]
    fn a_subject_is_a_positive_number_in_one_form_only() {
        assert_eq!(claims("42").user_id(), Some(UserId(42)));
        for other in ["", "0", "-1", "+1", "042", "1 ", "x", "99999999999999999999"] {
            assert_eq!(claims(other).user_id(), None, "{other}");
        }
    }
}
