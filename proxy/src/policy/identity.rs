//! Who a request acts for, once that has been proven.

use http::HeaderValue;
use igny8_contract::claims::AccessClaims;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::{StandingFacts, StandingQuery};
use igny8_contract::standing::TokenFacts;
use std::sync::{Arc, PoisonError, RwLock};

/// The outcome of a verified token. The header values are made once for a token, not once for a request.
#[derive(Debug)]
pub struct Identity {
    /// Whose standing is asked for: account, user and sign-in.
    pub standing: StandingQuery,
    pub token: TokenFacts,
    /// Unix seconds.
    pub exp: i64,
    pub account_value: HeaderValue,
    pub user_value: HeaderValue,
    pub role_value: HeaderValue,
    /// What was last known of this standing. Whoever keeps standings writes it; no rule looks at it.
    pub memo: Memo,
}

/// A standing, and the version of the directory under which it was read.
#[derive(Debug, Default)]
pub struct Memo(RwLock<Option<(u64, Arc<StandingFacts>)>>);

impl Memo {
    /// What was read under this version.
    #[must_use]
    pub fn get(&self, version: u64) -> Option<Arc<StandingFacts>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (of, facts) = known.as_ref()?;
        (*of == version).then(|| Arc::clone(facts))
    }

    /// Keeps what was read under this version, unless a later one was kept meanwhile.
    pub fn set(&self, version: u64, facts: &Arc<StandingFacts>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|(of, _)| *of <= version) {
            *known = Some((version, Arc::clone(facts)));
        }
    }
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
            memo: Memo::default(),
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
