//! The messages of core's internal listener, and the envelope of every public answer.
//!
//! Internal calls carry `Authorization: Bearer <internal token>`; the key set alone is open.
//!
//! | call | body | answer |
//! | --- | --- | --- |
//! | `GET /.well-known/jwks.json` | | a JSON Web Key Set (RFC 7517) |
//! | `POST /internal/v1/sessions/lookup` | [`SessionQuery`] | [`SessionFacts`] |
//! | `POST /internal/v1/sessions/revoke` | [`SessionQuery`] | 204, also when there was nothing to end |
//! | `POST /internal/v1/keys/resolve` | [`KeyQuery`] | [`KeyAnswer`] |
//! | `POST /internal/v1/standing` | [`StandingQuery`] | [`StandingAnswer`](crate::feed::StandingAnswer) |
//! | `GET /internal/v1/snapshot` `changes` | | see [`feed`](crate::feed) |
//! | `GET /internal/v1/health` | | 200 once the database answers |

use crate::claims::{AccountRole, PlatformRole};
use crate::ids::{AccountId, ApiKeyId, UserId};
use crate::standing::AccountFacts;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the key set is published on the internal listener.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";
/// Session look-up.
pub const SESSION_LOOKUP_PATH: &str = "/internal/v1/sessions/lookup";
/// Session revocation.
pub const SESSION_REVOKE_PATH: &str = "/internal/v1/sessions/revoke";
/// Standing of one account and one of its users.
pub const STANDING_PATH: &str = "/internal/v1/standing";
/// Resolution of one API key, and the token that it is exchanged for.
pub const KEY_RESOLVE_PATH: &str = "/internal/v1/keys/resolve";
/// Health of the core.
pub const HEALTH_PATH: &str = "/internal/v1/health";

/// Which session is meant. It travels in a body: a URL would end up in logs.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionQuery {
    /// The cookie's value.
    pub session: String,
}

impl std::fmt::Debug for SessionQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionQuery(secret)")
    }
}

/// Whose session it is. Also the answer of an app's introspection URL, so unknown members are let pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    pub authenticated: bool,
    #[serde(default)]
    pub is_staff: bool,
    #[serde(default)]
    pub is_superuser: bool,
    #[serde(default)]
    pub user_id: Option<i64>,
    #[serde(default)]
    pub account_id: Option<i64>,
}

/// Whose standing is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingQuery {
    pub account_id: AccountId,
    pub user_id: UserId,
    /// The sign-in of the token, its `sid` claim.
    pub sid: String,
}

/// The standing of one account, one user and one sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingFacts {
    /// Nothing when core does not know the account.
    pub account: Option<AccountFacts>,
    /// Nothing when core does not know the user, or the user belongs to another account.
    pub user: Option<UserFacts>,
    /// Whether the sign-in still runs; of an API key: whether it has not been revoked.
    pub sid_active: bool,
}

/// Which API key is meant. The key itself never leaves the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyQuery {
    /// The SHA-256 of the whole key, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// What a key stands for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAnswer {
    /// Nothing when core knows no such key, or it has been revoked.
    pub key: Option<KeyFacts>,
}

/// One API key that has not been revoked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFacts {
    pub key_id: ApiKeyId,
    pub account_id: AccountId,
    /// Whoever made it: the key acts for them, and ends with them.
    pub user_id: UserId,
    /// The key's own role, never more than that of its maker now.
    pub role: AccountRole,
    pub expires_at_us: Option<Timestamp>,
    /// Of the account, and of the maker.
    pub standing: StandingFacts,
    /// What the app is given in the key's place. It is no token for the public edge.
    pub token: String,
    /// When that token ends, in Unix seconds.
    pub token_exp: i64,
}

impl std::fmt::Debug for KeyAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyAnswer").field("key", &self.key).finish()
    }
}

impl std::fmt::Debug for KeyFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFacts")
            .field("key_id", &self.key_id)
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}

/// What the proxy needs to know of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFacts {
    pub is_active: bool,
    pub role: AccountRole,
    pub platform_role: Option<PlatformRole>,
    pub user_epoch: i64,
}

/// A successful public answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Success<T> {
    pub success: bool,
    pub data: T,
}

impl<T> Success<T> {
    /// Wraps `data` as `{"success": true, "data": …}`.
    pub const fn new(data: T) -> Self {
        Self { success: true, data }
    }
}
