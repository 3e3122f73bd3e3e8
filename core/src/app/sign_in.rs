//! What every way of signing in shares: the sign-in that begins, and the pair of tokens that comes of it.

use super::profile::Profile;
use super::{Core, StoryError};
use crate::adapters::refresh_token::RefreshToken;
use crate::domain::token;
use crate::storage::sign_in::NewSignIn;
use igny8_contract::time::Timestamp;
use secrecy::SecretString;

/// Where somebody signs in from, as far as it can be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The client's IP address.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
}

/// What signing up, signing in and refreshing give.
pub struct SignedIn {
    pub access: String,
    pub refresh: SecretString,
    /// For how many seconds the refresh token is good.
    pub refresh_seconds: i64,
    pub profile: Profile,
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedIn")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// A sign-in that is about to begin.
#[derive(Debug)]
pub struct Beginning {
    pub new: NewSignIn,
    refresh: RefreshToken,
    pub now: Timestamp,
}

impl Core {
    /// A sign-in that begins now.
    #[must_use]
    pub fn begin_sign_in(&self, visitor: &Visitor) -> Beginning {
        let (refresh, now) = (RefreshToken::draw(self.random.as_ref()), self.machine_now());
        let new = NewSignIn {
            sid: self.unguessable(),
            family_hash: refresh.family_hash(),
            token_hash: refresh.token_hash(),
            address: visitor.address.clone(),
            user_agent: visitor.user_agent.clone(),
            expires_at: self.sign_ins.ends(now, now),
        };
        Beginning { new, refresh, now }
    }

    /// The tokens of a sign-in that has begun.
    ///
    /// # Errors
    /// Where no key signs.
    pub fn signed_in(&self, beginning: &Beginning, profile: Profile) -> Result<SignedIn, StoryError> {
        let new = &beginning.new;
        self.pair(profile, &new.sid, &beginning.refresh, new.expires_at, beginning.now)
    }

    /// An access token made now for a sign-in, together with its refresh token.
    pub(super) fn pair(
        &self,
        profile: Profile,
        sid: &str,
        refresh: &RefreshToken,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<SignedIn, StoryError> {
        let epoch = profile.account.account.epoch;
        let claims = token::claims(&self.tokens, &profile.user, epoch, sid, &self.unguessable(), now);
        Ok(SignedIn {
            access: self.keys.sign(&claims, now)?,
            refresh: refresh.text(),
            refresh_seconds: expires_at.unix_seconds() - now.unix_seconds(),
            profile,
        })
    }
}
