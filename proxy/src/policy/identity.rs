//! Who a request acts for, once that has been proven.

use http::HeaderValue;
use igny8_contract::claims::AccessClaims;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::StandingQuery;
use igny8_contract::standing::TokenFacts;

/// The outcome of a verified token. The header values are made once for a token, not once for a request.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whose standing is asked for: account, user and sign-in.
    pub standing: StandingQuery,
    pub token: TokenFacts,
    /// Unix seconds.
    pub exp: i64,
    pub account_value: HeaderValue,
    pub user_value: HeaderValue,
    pub role_value: HeaderValue,
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
            token: TokenFacts::from(&claims),
            exp: claims.exp,
            standing: StandingQuery {
                account_id: claims.account_id,
                user_id,
                sid: claims.sid,
            },
        })
    }

    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.standing.account_id
    }

    #[must_use]
    pub const fn user(&self) -> UserId {
        self.standing.user_id
    }
}
