//! Tokens that have been verified, so that a signature is checked once and not with every request.
//!
//! A hit needs the same bytes from the first to the last, the key set of the same issuer and generation, and a time before
//! `exp`.
//! Only tokens that verified get in. Whether the account may still do anything is asked with every request, elsewhere.

use crate::policy::identity::Identity;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use igny8_contract::time::Timestamp;
use std::collections::VecDeque;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest token that is kept, in bytes: with the number of entries this bounds memory.
pub const CACHED_BYTES_MAX: usize = 2 * 1024;

/// A token is found by the hash of so many of its last bytes, which are those of its signature: among tokens that verified no
/// two are alike there, and whatever else is presented is compared as a whole.
const HASHED_BYTES: usize = 32;

/// More shards than the map would choose by itself: every request reads, and readers of one shard share a cache line.
const SHARDS: usize = 128;

/// Verified tokens, at most `max` of them.
pub struct Cache<S = RandomState> {
    /// By the token's hash: the oldest entry is let go of without reading its token, which nobody has read for long.
    map: DashMap<u64, Entry, S>,
    hasher: S,
    /// The hashes of the map in the order in which their tokens came, with their `exp`. Every change of the map is made under
    /// this lock, so the two agree and the bound holds; reading needs the map alone.
    order: Mutex<VecDeque<(u64, i64)>>,
    max: usize,
}

/// Which key set verified a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The issuer's place.
    pub issuer: usize,
    pub generation: u64,
}

struct Entry {
    token: Box<[u8]>,
    origin: Origin,
    verified: Arc<Identity>,
}

impl Cache {
    /// Room for `max` tokens; memory is taken as they come. The hash is seeded for this process.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self::with_hasher(max, RandomState::default())
    }
}

impl<S: BuildHasher + Clone> Cache<S> {
    fn with_hasher(max: usize, hasher: S) -> Self {
        Self {
            map: DashMap::with_capacity_and_hasher_and_shard_amount(0, hasher.clone(), SHARDS),
            hasher,
            order: Mutex::new(VecDeque::new()),
            max,
        }
    }

    /// The verified form of a token, if it is known, its key set is `in_force` still, and it has not expired.
    #[must_use]
    pub fn get(&self, token: &[u8], now: Timestamp, in_force: impl FnOnce(Origin) -> bool) -> Option<Arc<Identity>> {
        let entry = self.map.get(&self.hash(token))?;
        let fresh = *entry.token == *token && in_force(entry.origin) && now.unix_seconds() < entry.verified.exp;
        fresh.then(|| Arc::clone(&entry.verified))
    }

    /// Keeps a token that has just been verified by the key set of `origin`. The oldest make room: tokens live equally long, so they
    /// are the first to expire, too.
    pub fn put(&self, token: &[u8], verified: Arc<Identity>, now: Timestamp, origin: Origin) {
        if token.len() > CACHED_BYTES_MAX || self.max == 0 {
            return;
        }
        let hash = self.hash(token);
        let exp = verified.exp;
        let new = Entry {
            token: token.into(),
            origin,
            verified,
        };
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut entry) = self.map.get_mut(&hash) {
            // Two requests verified it at the same time, the key set has changed since, or, hardly ever, another token has the
            // same hash: the place in the order stays.
            *entry = new;
            return;
        }
        while order
            .front()
            .is_some_and(|(_, exp)| order.len() >= self.max || *exp <= now.unix_seconds())
        {
            if let Some((oldest, _)) = order.pop_front() {
                self.map.remove(&oldest);
            }
        }
        order.push_back((hash, exp));
        self.map.insert(hash, new);
    }

    fn hash(&self, token: &[u8]) -> u64 {
        self.hasher.hash_one(&token[token.len().saturating_sub(HASHED_BYTES)..])
    }

    /// How many tokens are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<S> fmt::Debug for Cache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are credentials: none is ever printed.
        f.debug_struct("Cache").field("max", &self.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
