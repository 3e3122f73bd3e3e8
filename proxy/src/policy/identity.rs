//! Who a request acts for, once that has been proven.

use http::HeaderValue;
use igny8_contract::claims::{AccessClaims, AccountRole};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::StandingQuery;
use igny8_contract::standing::TokenFacts;

/// The outcome of a verified credential. The header values are made once for a token, not once for a request.
#[derive(Clone, Debug)]
pub struct Identity {
    pub holder: Holder,
    /// Unix seconds.
    pub exp: i64,
    pub account_value: HeaderValue,
    pub user_value: HeaderValue,
    /// Empty where no role is known.
    pub role_value: HeaderValue,
}

/// Whose account it is, and with it who knows its standing.
#[derive(Clone, Debug)]
pub enum Holder {
    /// A user of the core: account, user and sign-in, and what the token says of them.
    Core { standing: StandingQuery, token: TokenFacts },
    /// A user of the core without a token, by a session that was looked up for this one request.
    Session { standing: StandingQuery },
    /// Somebody whom another issuer vouches for.
    Foreign(Foreign),
}

/// An account of another issuer. Such a one never has a staff role.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The issuer's prefix and its name for the account.
    pub account: Box<str>,
    /// A digest of that name, for whoever counts by numbers.
    pub digest: u64,
    /// Whether the account needs a standing at the core.
    pub asks_core: bool,
}

impl Identity {
    /// The identity of verified claims; nothing when their subject is no user.
    #[must_use]
    pub fn of(claims: AccessClaims) -> Option<Self> {
        let user_id = claims.user_id()?;
        Some(Self {
            account_value: claims.account_id.0.into(),
            user_value: user_id.0.into(),
            role_value: HeaderValue::from_static(claims.role.as_str()),
            exp: claims.exp,
            holder: Holder::Core {
                token: TokenFacts::from(&claims),
                standing: StandingQuery {
                    account_id: claims.account_id,
                    user_id,
                    sid: claims.sid,
                },
            },
        })
    }

    /// The identity that another issuer vouches for; nothing when a name cannot be passed on in a field.
    #[must_use]
    pub fn of_foreign(foreign: Foreign, user: &str, role: Option<AccountRole>, exp: i64) -> Option<Self> {
        Some(Self {
            account_value: HeaderValue::from_str(&foreign.account).ok()?,
            user_value: HeaderValue::from_str(user).ok()?,
            role_value: HeaderValue::from_static(role.map_or("", AccountRole::as_str)),
            exp,
            holder: Holder::Foreign(foreign),
        })
    }

    /// The identity of a session, for one request. What role its user has is the core's to say, see
    /// [`super::Proven::stand`].
    #[must_use]
    pub fn of_session(account_id: AccountId, user_id: UserId) -> Self {
        Self {
            account_value: account_id.0.into(),
            user_value: user_id.0.into(),
            role_value: HeaderValue::from_static(""),
            exp: 0,
            holder: Holder::Session {
                standing: StandingQuery {
                    account_id,
                    user_id,
                    sid: String::new(),
                },
            },
        }
    }

    /// Whose standing the core is asked for, and whether it is a member of staff; nothing for whom it does not know.
    #[must_use]
    pub const fn asks_core(&self) -> Option<(&StandingQuery, bool)> {
        match &self.holder {
            Holder::Core { standing, token } => Some((standing, token.platform_role.is_some())),
            // Nothing is known of this user before the core has answered: no old copy will do.
            Holder::Session { standing } => Some((standing, true)),
            Holder::Foreign(_) => None,
        }
    }
}
