//! Access tokens: verified against their issuer's keys, then remembered.
//!
//! [`Tokens::cached`] is for every request and never waits. [`Tokens::verify`] is for a token that is not remembered; it
//! may fetch the issuer's key set. A token's `iss`, before anything is verified, chooses whose keys are asked and nothing
//! else. Whether a token has been revoked is not known here.

pub mod cache;
pub mod issuer;
mod jwk;
pub mod keys;
mod roca;
mod source;
pub mod store;
mod strict;
pub mod verify;

pub use crate::policy::identity::Identity;
pub use issuer::{ClaimRules, ForeignClaims, Issuer, IssuerError};
pub use source::{JwksUrl, KeyFile};
pub use store::{KeyForm, KeySource, KeySourceError, KeyStore, RefreshError};

use cache::{Cache, Origin};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use metrics::{Counter, Gauge, counter, gauge};
use std::sync::Arc;
use verify::{Compact, TokenError};

/// How many verified tokens are remembered.
pub const DEFAULT_CACHE_MAX: usize = 100_000;

/// An issuer and its keys.
#[derive(Debug)]
pub struct Trusted {
    pub issuer: Issuer,
    pub keys: KeyStore,
}

/// Tokens of every issuer.
pub struct Tokens {
    /// The core comes first.
    issuers: Vec<Trusted>,
    cache: Cache,
    /// Looked up once: a look-up by name costs as much as reading a token's claims.
    verified: Counter,
    refused: Counter,
    remembered: Gauge,
}

impl Tokens {
    /// Tokens of these issuers, the core first; at most `cache_max` of them are remembered.
    #[must_use]
    pub fn new(issuers: Vec<Trusted>, cache_max: usize) -> Self {
        Self {
            issuers,
            cache: Cache::new(cache_max),
            verified: counter!("igny8_tokens_verified_total", "outcome" => "ok"),
            refused: counter!("igny8_tokens_verified_total", "outcome" => "refused"),
            remembered: gauge!("igny8_token_cache_entries"),
        }
    }

    /// What a token says that has been verified before, under the key set that its issuer has in force.
    #[must_use]
    pub fn cached(&self, token: &[u8], now: Timestamp) -> Option<Arc<Identity>> {
        self.cache.get(token, now, |origin| {
            let keys = &self.issuers[origin.issuer].keys;
            keys.generation() == origin.generation && keys.ready(now)
        })
    }

    /// Whether tokens of the core can be verified.
    #[must_use]
    pub fn ready(&self, now: Timestamp) -> bool {
        self.core_keys().is_some_and(|keys| keys.ready(now))
    }

    /// The keys of the core.
    #[must_use]
    pub fn core_keys(&self) -> Option<&KeyStore> {
        self.issuers.first().map(|core| &core.keys)
    }

    /// Every issuer, the core first.
    #[must_use]
    pub fn issuers(&self) -> &[Trusted] {
        &self.issuers
    }

    /// Verifies a token and remembers it.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`; `core_unavailable` when there are no keys of its issuer that are fresh enough.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        let outcome = self.prove(token, now).await;
        let counter = if outcome.is_ok() { &self.verified } else { &self.refused };
        counter.increment(1);
        self.remembered.set(self.cache.len() as f64);
        outcome
    }

    async fn prove(&self, token: &str, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        let refused = |error: TokenError| {
            tracing::debug!(%error, "token refused");
            error.refusal()
        };
        let compact = Compact::parse(token.as_bytes()).map_err(refused)?;
        let claims = compact.claims().map_err(refused)?;
        let place = self
            .issuers
            .iter()
            .position(|trusted| trusted.issuer.is_named_in(&claims))
            .ok_or_else(|| refused(TokenError::Issuer))?;
        let Trusted { issuer, keys } = &self.issuers[place];
        let mut loaded = keys.keys(now).await?;
        let mut outcome = issuer.prove(&compact, &claims, &loaded.keys, now);
        if matches!(outcome, Err(TokenError::UnknownKey)) {
            loaded = keys.newer_keys(loaded.generation, now).await?;
            outcome = issuer.prove(&compact, &claims, &loaded.keys, now);
        }
        let verified = Arc::new(outcome.map_err(refused)?);
        let origin = Origin {
            issuer: place,
            generation: loaded.generation,
        };
        self.cache.put(token.as_bytes(), Arc::clone(&verified), now, origin);
        Ok(verified)
    }

    /// How many verified tokens are remembered.
    #[must_use]
    pub fn cache_len(&self) -> usize {
        self.cache.len()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
