//! Who a request acts for, once that has been proven.

use super::session;
use http::HeaderValue;
use igny8_contract::claims::{AccessClaims, AccountRole, key_sid};
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::messages::{KeyFacts, StandingFacts, StandingQuery};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{KeyUse, StandingNeed, TokenFacts, validate_token};
use igny8_contract::time::Timestamp;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The outcome of a verified credential. The header values are made once for a token, not once for a request.
#[derive(Debug)]
pub struct Identity {
    pub holder: Holder,
    /// Unix seconds.
    pub exp: i64,
    pub account_value: HeaderValue,
    pub user_value: HeaderValue,
    /// Empty where no role is known.
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
            memo: Memo::default(),
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
    pub fn of_foreign(foreign: Foreign, user: String, role: Option<AccountRole>, exp: i64) -> Option<Self> {
        Some(Self {
            account_value: HeaderValue::from_str(&foreign.account).ok()?,
            user_value: HeaderValue::try_from(user).ok()?,
            role_value: HeaderValue::from_static(role.map_or("", AccountRole::as_str)),
            exp,
            memo: Memo::default(),
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
            memo: Memo::default(),
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

    /// Judges its standing, by what the core says of it.
    ///
    /// # Errors
    /// See [`validate_token`] and [`session::validate`]; `core_unavailable` when it is the core's and nothing is known of it;
    /// `account_missing` for another issuer's account that needs a standing, since the core has none for it.
    pub fn stands(
        &self,
        facts: Option<&StandingFacts>,
        need: StandingNeed,
        reads: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let known = || facts.ok_or(Refusal::CoreUnavailable);
        match &self.holder {
            Holder::Core { token, .. } => validate_token(token, known()?, need, reads, now),
            Holder::Session { .. } => session::validate(known()?, need, reads, now),
            Holder::Foreign(foreign) if foreign.asks_core => Err(Refusal::AccountMissing),
            Holder::Foreign(_) => Ok(()),
        }
    }
}

/// What core has said of an API key: who it acts for, their standing, and what the app gets in the key's place.
#[derive(Clone)]
pub struct Grant {
    pub key_id: ApiKeyId,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    pub identity: Arc<Identity>,
    pub standing: Arc<StandingFacts>,
    pub expires_at: Option<Timestamp>,
    /// `Bearer ` and the token: the value of the `Authorization` field that goes on.
    pub authorization: String,
    /// When that token ends, in Unix seconds.
    pub token_exp: i64,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("key_id", &self.key_id)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// The grant of the key with this SHA-256 as core tells it.
    #[must_use]
    pub fn of(hash: [u8; 32], facts: KeyFacts) -> Self {
        let epochs = (facts.standing.account.as_ref(), facts.standing.user.as_ref());
        let identity = Identity {
            account_value: facts.account_id.0.into(),
            user_value: facts.user_id.0.into(),
            role_value: HeaderValue::from_static(facts.role.as_str()),
            holder: Holder::Core {
                token: TokenFacts {
                    role: facts.role,
                    platform_role: None,
                    account_epoch: epochs.0.map_or(0, |account| account.account_epoch),
                    user_epoch: epochs.1.map_or(0, |user| user.user_epoch),
                },
                standing: StandingQuery {
                    account_id: facts.account_id,
                    user_id: facts.user_id,
                    sid: key_sid(facts.key_id),
                },
            },
            exp: facts.token_exp,
            memo: Memo::default(),
        };
        Self {
            key_id: facts.key_id,
            hash,
            identity: Arc::new(identity),
            standing: Arc::new(facts.standing),
            expires_at: facts.expires_at_us,
            authorization: format!("Bearer {}", facts.token),
            token_exp: facts.token_exp,
        }
    }

    /// Its use now, as the one check of standing asks for it. `asks_standing` is the flag `validate_api_key`.
    #[must_use]
    pub const fn key_use(&self, asks_standing: bool, now: Timestamp) -> KeyUse {
        KeyUse {
            expires_at: self.expires_at,
            machine_now: now,
            asks_standing,
        }
    }

    /// The same key with another standing.
    #[must_use]
    pub fn with_standing(&self, standing: StandingFacts) -> Self {
        Self {
            standing: Arc::new(standing),
            ..self.clone()
        }
    }

    /// Whether its maker has another role by a later word, and with it perhaps the key: the token that goes on in its place
    /// tells of the old one. Epochs are nothing to keys, and who is gone has a plainer answer.
    #[must_use]
    pub fn is_outdated_by(&self, later: &StandingFacts) -> bool {
        let role = |facts: &StandingFacts| facts.user.as_ref().map(|user| user.role);
        role(later).is_some() && role(later) != role(&self.standing)
    }

    /// Whether the app could still verify what it would get. A token ends on a whole second, and so does a key that has one
    /// with it.
    ///
    /// # Errors
    /// `api_key_invalid` in a key's last second; `core_unavailable` where there has been no newer token for too long.
    pub fn serves(&self, now: Timestamp) -> Result<(), Refusal> {
        if now.unix_seconds() < self.token_exp {
            return Ok(());
        }
        let ends_with_key = self.expires_at.is_some_and(|end| end.unix_seconds() <= self.token_exp);
        Err(if ends_with_key {
            Refusal::ApiKeyInvalid
        } else {
            Refusal::CoreUnavailable
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(expires_at_us: Option<Timestamp>, token_exp: i64) -> Grant {
        Grant::of(
            [0; 32],
            KeyFacts {
                key_id: ApiKeyId(5),
                account_id: AccountId(6),
                user_id: UserId(7),
                role: AccountRole::Viewer,
                expires_at_us,
                standing: StandingFacts {
                    account: None,
                    user: None,
                    sid_active: true,
                },
                token: "t".into(),
                token_exp,
            },
        )
    }

    #[test]
    fn a_grant_is_the_keys_account_maker_and_role() {
        let grant = grant(None, 10);
        assert_eq!(grant.authorization, "Bearer t");
        let identity = &grant.identity;
        let (standing, staff) = identity.asks_core().unwrap();
        assert_eq!(
            (standing.account_id, standing.user_id, staff),
            (AccountId(6), UserId(7), false)
        );
        assert_eq!(
            (&identity.account_value, &identity.user_value, &identity.role_value),
            (
                &HeaderValue::from_static("6"),
                &HeaderValue::from_static("7"),
                &HeaderValue::from_static("viewer")
            )
        );
    }

    #[test]
    fn a_token_that_has_ended_is_not_sent() {
        let now = Timestamp(0).plus_seconds(10);
        assert_eq!(grant(None, 11).serves(now), Ok(()));
        assert_eq!(grant(None, 10).serves(now), Err(Refusal::CoreUnavailable));
        let later = Some(now.plus_seconds(60));
        assert_eq!(grant(later, 10).serves(now), Err(Refusal::CoreUnavailable));
        let within_the_second = Some(Timestamp(now.0 + 999_999));
        assert_eq!(grant(within_the_second, 10).serves(now), Err(Refusal::ApiKeyInvalid));
    }
}
