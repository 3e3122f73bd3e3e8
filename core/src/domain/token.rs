//! Access tokens: what one says, when it is good, and which key signs.

use super::api_key::ApiKey;
use super::user::User;
use igny8_contract::claims::{AccessClaims, AccountRole, key_sid};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;

/// How far two clocks may be apart, in seconds.
pub const LEEWAY_SECONDS: i64 = 30;
/// A new key is published this long before it signs, so that every verifier has met it. In seconds.
pub const KEY_LEAD_SECONDS: i64 = 30;

/// Who tokens are from, whom they are for, and how long they live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    pub issuer: String,
    pub audience: String,
    pub ttl_seconds: i64,
    /// For whom the tokens are that API keys are exchanged for. Never the same as `audience`: such a token is nothing to the
    /// public edge.
    pub app_audience: String,
    /// How long those live: longer than proxies serve what they know while the core is silent.
    pub key_ttl_seconds: i64,
}

impl TokenTerms {
    /// How long the longest-lived token lives.
    #[must_use]
    pub fn longest_ttl_seconds(&self) -> i64 {
        self.ttl_seconds.max(self.key_ttl_seconds)
    }
}

/// The claims of a token for `user`, made now. `jti` is unguessable and used once.
#[must_use]
pub fn claims(
    terms: &TokenTerms,
    user: &User,
    account_epoch: i64,
    sid: &str,
    jti: &str,
    now: Timestamp,
) -> AccessClaims {
    let iat = now.unix_seconds();
    AccessClaims {
        iss: terms.issuer.clone(),
        aud: terms.audience.clone(),
        sub: user.id.to_string(),
        account_id: user.account_id,
        role: user.role,
        platform_role: user.platform_role,
        sid: sid.to_owned(),
        api_key_id: None,
        account_epoch,
        user_epoch: user.epoch,
        iat,
        nbf: iat,
        exp: iat + terms.ttl_seconds,
        jti: jti.to_owned(),
    }
}

/// Who an API key acts for.
#[derive(Clone, Copy, Debug)]
pub struct Maker {
    pub role: AccountRole,
    pub user_epoch: i64,
    pub account_epoch: i64,
}

/// The claims of the token that an API key is exchanged for, made now. It acts for the key's maker, with the key's role and
/// never with a platform role, and does not outlive the key.
#[must_use]
pub fn key_claims(terms: &TokenTerms, key: &ApiKey, maker: Maker, jti: &str, now: Timestamp) -> AccessClaims {
    let iat = now.unix_seconds();
    let exp = iat + terms.key_ttl_seconds;
    AccessClaims {
        iss: terms.issuer.clone(),
        aud: terms.app_audience.clone(),
        sub: key.user_id.to_string(),
        account_id: key.account_id,
        role: key.effective_role(maker.role),
        platform_role: None,
        sid: key_sid(key.id),
        api_key_id: Some(key.id),
        account_epoch: maker.account_epoch,
        user_epoch: maker.user_epoch,
        iat,
        nbf: iat,
        exp: key.expires_at.map_or(exp, |end| exp.min(end.unix_seconds())),
        jti: jti.to_owned(),
    }
}

/// Decides whether claims whose signature is good are meant for us and good now.
///
/// # Errors
/// `token_expired` past its end, `token_invalid` for everything else.
pub fn check(claims: &AccessClaims, terms: &TokenTerms, now: Timestamp) -> Result<(), Refusal> {
    let now = now.unix_seconds();
    let audience = match claims.api_key_id {
        Some(_) => &terms.app_audience,
        None => &terms.audience,
    };
    let ours = claims.iss == terms.issuer && claims.aud == *audience && claims.user_id().is_some();
    let begun = claims.nbf <= now + LEEWAY_SECONDS && claims.iat <= now + LEEWAY_SECONDS;
    if !ours || !begun || claims.exp <= claims.iat {
        return Err(Refusal::TokenInvalid);
    }
    if claims.exp + LEEWAY_SECONDS <= now {
        Err(Refusal::TokenExpired)
    } else {
        Ok(())
    }
}

/// What a signing key is good for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Published, and not signing yet.
    Coming,
    /// Signs, and is published.
    Signing,
    /// Published until the last token it signed has run out.
    Retiring,
    /// No longer published.
    Retired,
}

impl KeyUse {
    /// The word in the output of `keys list`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coming => "coming",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }
}

/// What each key is good for; `made` holds when each was made, oldest first. The newest key that has been published for
/// [`KEY_LEAD_SECONDS`] signs; while none has, the oldest does.
#[must_use]
pub fn key_uses(made: &[Timestamp], ttl_seconds: i64, now: Timestamp) -> Vec<KeyUse> {
    let begins = |made: Timestamp| made.plus_seconds(KEY_LEAD_SECONDS);
    let signing = made.iter().rposition(|made| begins(*made) <= now).unwrap_or(0);
    (0..made.len())
        .map(|index| {
            if index > signing {
                return KeyUse::Coming;
            }
            if index == signing {
                return KeyUse::Signing;
            }
            // A verifier may have read the clock and the folder a little later than the signer did: twice the lead.
            let last_token_ends =
                begins(made[index + 1]).plus_seconds(ttl_seconds + LEEWAY_SECONDS + 2 * KEY_LEAD_SECONDS);
            if now < last_token_ends {
                KeyUse::Retiring
            } else {
                KeyUse::Retired
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::claims::AccountRole;
    use igny8_contract::ids::{AccountId, UserId};
    use proptest::prelude::*;

    fn terms() -> TokenTerms {
        TokenTerms {
            issuer: "igny8-core".into(),
            audience: "igny8-api".into(),
            ttl_seconds: 300,
            app_audience: "igny8-app".into(),
            key_ttl_seconds: 600,
        }
    }

    fn made_at(now: Timestamp) -> AccessClaims {
        let user = User {
            id: UserId(5),
            account_id: AccountId(7),
            email: "a@b.de".into(),
            first_name: String::new(),
            last_name: String::new(),
            role: AccountRole::Owner,
            platform_role: None,
            is_superuser: false,
            is_active: true,
            epoch: 3,
            email_verified_at: None,
            created_at: now,
        };
        claims(&terms(), &user, 2, "sid", "jti", now)
    }

    #[test]
    fn a_token_is_good_from_its_making_to_its_end_give_or_take_the_leeway() {
        let made = Timestamp(0).plus_seconds(1_000);
        let claims = made_at(made);
        let at = |seconds| check(&claims, &terms(), made.plus_seconds(seconds));
        assert_eq!(at(-LEEWAY_SECONDS - 1), Err(Refusal::TokenInvalid));
        assert_eq!(at(-LEEWAY_SECONDS), Ok(()));
        assert_eq!(at(300 + LEEWAY_SECONDS - 1), Ok(()));
        assert_eq!(at(300 + LEEWAY_SECONDS), Err(Refusal::TokenExpired));
    }

    #[test]
    fn a_token_of_another_issuer_or_for_another_audience_is_invalid() {
        let now = Timestamp(0);
        let good = made_at(now);
        assert_eq!(check(&good, &terms(), now), Ok(()));
        for wrong in [
            AccessClaims {
                iss: "other".into(),
                ..good.clone()
            },
            AccessClaims {
                aud: "app".into(),
                ..good.clone()
            },
            AccessClaims {
                aud: "igny8-app".into(),
                ..good.clone()
            },
            AccessClaims {
                api_key_id: Some(igny8_contract::ids::ApiKeyId(1)),
                ..good.clone()
            },
            AccessClaims {
                sub: "05".into(),
                ..good.clone()
            },
            AccessClaims { exp: 0, ..good },
        ] {
            assert_eq!(check(&wrong, &terms(), now), Err(Refusal::TokenInvalid));
        }
    }

    #[test]
    fn an_api_keys_token_is_for_apps_has_the_keys_role_and_does_not_outlive_it() {
        use crate::domain::api_key::tests::key;
        let now = Timestamp(0).plus_days(20_000);
        let maker = Maker {
            role: AccountRole::Owner,
            user_epoch: 3,
            account_epoch: 4,
        };
        let claims = |key: &ApiKey, role| key_claims(&terms(), key, Maker { role, ..maker }, "jti", now);
        let good = claims(&key(), AccountRole::Owner);
        assert_eq!(check(&good, &terms(), now), Ok(()));
        assert_eq!((good.aud.as_str(), good.sub.as_str()), ("igny8-app", "3"));
        assert_eq!((good.role, good.platform_role), (AccountRole::Editor, None));
        assert_eq!(good.exp - good.iat, 600);
        assert_eq!(claims(&key(), AccountRole::Viewer).role, AccountRole::Viewer);
        let ending = ApiKey {
            expires_at: Some(now.plus_seconds(5)),
            ..key()
        };
        assert_eq!(claims(&ending, AccountRole::Owner).exp, now.unix_seconds() + 5);
    }

    #[test]
    fn a_lone_key_signs_from_its_first_moment() {
        assert_eq!(key_uses(&[Timestamp(9)], 300, Timestamp(9)), [KeyUse::Signing]);
        assert_eq!(key_uses(&[], 300, Timestamp(9)), []);
    }

    proptest! {
        /// Rotation never fails a request: whatever key signed a token, it is published while the token is good.
        #[test]
        fn a_key_that_signed_a_good_token_is_published(
            mut seconds in proptest::collection::vec(0..5_000_i64, 1..6), signed in 0..5_000_i64, age in 0..=330_i64
        ) {
            seconds.sort_unstable();
            let first = seconds[0];
            let made: Vec<_> = seconds.iter().map(|second| Timestamp(0).plus_seconds(*second)).collect();
            let signed = Timestamp(0).plus_seconds(first + signed);
            // A key that is not made yet cannot be seen.
            let seen = |now: Timestamp| made.iter().copied().filter(|made| *made <= now).collect::<Vec<_>>();
            let at_signing = key_uses(&seen(signed), 300, signed);
            let signer = at_signing.iter().position(|use_| *use_ == KeyUse::Signing).expect("one key signs");
            prop_assert_eq!(at_signing.iter().filter(|use_| **use_ == KeyUse::Signing).count(), 1);
            let later = signed.plus_seconds(age);
            prop_assert_ne!(key_uses(&seen(later), 300, later)[signer], KeyUse::Retired);
        }
    }
}
