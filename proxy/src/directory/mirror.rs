//! What core keeps of accounts, users and sign-ins, as far as it has been told here: filled by a snapshot, kept true by the
//! change feed, and filled on demand by what core answers.
//!
//! Whatever comes says what *is*, as of a number of the feed, so that old news never overwrites newer. A sign-in and an API
//! key that have ended stay ended. Nothing here waits or asks anybody. Memory is bounded: what does not fit is not kept, and
//! answers that it might have outdated are not used.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use igny8_contract::feed::{Item, StandingAnswer};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::{StandingFacts, StandingQuery, UserFacts};
use igny8_contract::standing::{AccountFacts, AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How long after its last token has run out an ended sign-in is remembered, in seconds: more than any leeway.
const KEPT_AFTER_END_SECONDS: i64 = 60;
/// How long a revoked API key is remembered, in seconds: longer than any answer about a key is.
const KEPT_KEY_SECONDS: i64 = 600;

type Map<K, V> = DashMap<K, V, foldhash::fast::RandomState>;

/// How many of each kind are kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub accounts: usize,
    pub users: usize,
    pub sign_ins: usize,
    pub keys: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            accounts: 1_000_000,
            users: 2_000_000,
            sign_ins: 500_000,
            keys: 100_000,
        }
    }
}

/// How many of each kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub accounts: usize,
    pub users: usize,
    pub sign_ins: usize,
    pub keys: usize,
}

/// What has come of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It is kept, where there is room; true where something that was known already stands otherwise now.
    Kept(bool),
    /// It comes from another database, or nothing is known here yet: good for whoever asked, and not kept.
    Foreign,
    /// The feed may have told of something newer that could not be kept: it is good for nobody.
    Outdated,
}

/// An account, in as few bytes as it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    plan: Arc<str>,
    epoch: i64,
    period_end: Option<Timestamp>,
    grace_end: Option<Timestamp>,
    status: AccountStatus,
    reason: Option<SuspendReason>,
}

/// Something, as of a number of the feed.
#[derive(Clone, Debug)]
struct Known<T> {
    as_of: i64,
    /// Nothing where core does not know it.
    facts: Option<T>,
}

/// A sign-in; instants in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignIn {
    /// Core has confirmed it. Kept until the token runs out that it was asked for.
    Runs {
        user: UserId,
        until: i64,
    },
    Ended {
        until: i64,
    },
}

impl SignIn {
    const fn until(self) -> i64 {
        match self {
            Self::Runs { until, .. } | Self::Ended { until } => until,
        }
    }
}

/// What is known.
#[derive(Debug)]
pub struct Mirror {
    /// Which database this mirrors; empty for none.
    generation: String,
    bounds: Bounds,
    accounts: Map<AccountId, Known<Account>>,
    users: Map<UserId, Known<(AccountId, UserFacts)>>,
    sign_ins: Map<Box<str>, SignIn>,
    /// When it was told that a key is revoked or changed, in Unix seconds, by the SHA-256 of the key.
    keys: Map<[u8; 32], i64>,
    /// Each plan's word once.
    plans: Mutex<HashSet<Arc<str>>>,
    /// Answers from before this number may be outdated by something that did not fit.
    floor: AtomicI64,
    /// The highest number of the feed as of which anything is known.
    newest: AtomicI64,
}

impl Mirror {
    /// An empty mirror of this generation of core's database.
    #[must_use]
    pub fn new(generation: &str, bounds: Bounds) -> Self {
        Self {
            generation: generation.to_owned(),
            bounds,
            accounts: Map::default(),
            users: Map::default(),
            sign_ins: Map::default(),
            keys: Map::default(),
            plans: Mutex::default(),
            floor: AtomicI64::new(i64::MIN),
            newest: AtomicI64::new(i64::MIN),
        }
    }

    /// A mirror of nothing: nothing is known, and no answer is kept.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self::new("", Bounds::default())
    }

    /// Takes over what stands as of a number of the feed. `now` is in Unix seconds.
    pub fn put(&self, item: &Item, as_of: i64, now: i64) {
        self.newest.fetch_max(as_of, Ordering::AcqRel);
        let fits = match item {
            Item::Account { id, facts } => {
                let facts = facts.as_ref().map(|facts| self.compact(facts));
                put(&self.accounts, *id, Known { as_of, facts }, self.bounds.accounts).is_some()
            }
            Item::User { id, account_id, facts } => {
                let facts = account_id.zip(facts.clone());
                put(&self.users, *id, Known { as_of, facts }, self.bounds.users).is_some()
            }
            Item::SignIn { sid, until_us } => {
                let until = until_us.unix_seconds() + KEPT_AFTER_END_SECONDS;
                keep(
                    &self.sign_ins,
                    sid.as_str().into(),
                    SignIn::Ended { until },
                    self.bounds.sign_ins,
                )
            }
            Item::ApiKey { digest } => {
                digest_of(digest).is_none_or(|digest| keep(&self.keys, digest, now, self.bounds.keys))
            }
            // Others keep those.
            Item::Session { .. } | Item::KeySet => true,
        };
        if !fits {
            self.floor.fetch_max(as_of, Ordering::AcqRel);
        }
    }

    /// Keeps what core has answered about a token that runs out at `exp` (Unix seconds).
    pub fn learn(&self, query: &StandingQuery, answer: &StandingAnswer, exp: i64) -> Learned {
        if answer.generation != self.generation || self.generation.is_empty() {
            return Learned::Foreign;
        }
        let as_of = answer.seq;
        self.newest.fetch_max(as_of, Ordering::AcqRel);
        let mut changed = false;
        if let Some(facts) = &answer.account {
            let facts = Some(self.compact(facts));
            let account = Known { as_of, facts };
            changed |= put(&self.accounts, query.account_id, account, self.bounds.accounts) == Some(true);
        }
        if let Some(facts) = &answer.user {
            let facts = Some((query.account_id, facts.clone()));
            let user = Known { as_of, facts };
            changed |= put(&self.users, query.user_id, user, self.bounds.users) == Some(true);
            let until = exp.saturating_add(KEPT_AFTER_END_SECONDS);
            self.learn_sign_in(query, answer.sid_active, until);
        }
        // Looked at last: whatever was told meanwhile has either been kept, or has raised it.
        if as_of < self.floor.load(Ordering::Acquire) {
            return Learned::Outdated;
        }
        Learned::Kept(changed)
    }

    fn learn_sign_in(&self, query: &StandingQuery, runs: bool, until: i64) {
        let user = query.user_id;
        let known = if runs {
            SignIn::Runs { user, until }
        } else {
            SignIn::Ended { until }
        };
        let sid: Box<str> = query.sid.as_str().into();
        let full = self.sign_ins.len() >= self.bounds.sign_ins;
        match self.sign_ins.entry(sid) {
            Entry::Occupied(mut entry) if matches!(entry.get(), SignIn::Runs { .. }) => {
                entry.insert(known);
            }
            Entry::Vacant(entry) if !full => {
                entry.insert(known);
            }
            // An end is never taken back, however old or new the answer is.
            Entry::Occupied(_) | Entry::Vacant(_) => {}
        }
    }

    /// The standing that is asked for, if all of it is known.
    #[must_use]
    pub fn compose(&self, query: &StandingQuery) -> Option<StandingFacts> {
        Some(StandingFacts {
            account: self.account(query.account_id)?,
            user: self.user(query)?,
            sid_active: self.runs(query)?,
        })
    }

    /// An answer, with what is known in the place of what it says: the feed may have told newer meanwhile.
    #[must_use]
    pub fn complete(&self, query: &StandingQuery, answer: &StandingAnswer) -> StandingFacts {
        StandingFacts {
            account: self.account(query.account_id).unwrap_or_else(|| answer.account.clone()),
            user: self.user(query).unwrap_or_else(|| answer.user.clone()),
            sid_active: self.runs(query).unwrap_or(answer.sid_active),
        }
    }

    /// What was told of an API key's account and maker at `asked_at` (Unix seconds), with what is known in its place. A key that
    /// has been revoked or changed since opens nothing.
    #[must_use]
    pub fn complete_key(
        &self,
        query: &StandingQuery,
        told: &StandingFacts,
        digest: &[u8; 32],
        asked_at: i64,
    ) -> StandingFacts {
        StandingFacts {
            account: self.account(query.account_id).unwrap_or_else(|| told.account.clone()),
            user: self.user(query).unwrap_or_else(|| told.user.clone()),
            sid_active: told.sid_active && !self.has_key_changed(digest, asked_at),
        }
    }

    /// What is known of an account; within, nothing where core does not know it.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Option<AccountFacts>> {
        Some(self.accounts.get(&id)?.facts.as_ref().map(spell_out))
    }

    fn user(&self, query: &StandingQuery) -> Option<Option<UserFacts>> {
        let known = self.users.get(&query.user_id)?;
        let facts = known.facts.as_ref().filter(|(account, _)| *account == query.account_id);
        Some(facts.map(|(_, facts)| facts.clone()))
    }

    fn runs(&self, query: &StandingQuery) -> Option<bool> {
        Some(match *self.sign_ins.get(query.sid.as_str())? {
            SignIn::Runs { user, .. } => user == query.user_id,
            SignIn::Ended { .. } => false,
        })
    }

    /// Whether the feed has told since `asked_at` (Unix seconds) that the key with this SHA-256 is revoked or changed.
    #[must_use]
    pub fn has_key_changed(&self, digest: &[u8; 32], asked_at: i64) -> bool {
        self.keys.get(digest).is_some_and(|told_at| *told_at >= asked_at)
    }

    /// The highest number of the feed as of which anything is known. A history whose feed has not come so far is not the
    /// one that was told of.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Lets go of what nobody can ask for any more. `now` is in Unix seconds.
    pub fn sweep(&self, now: i64) {
        self.sign_ins.retain(|_, sign_in| sign_in.until() > now);
        self.keys.retain(|_, told_at| *told_at + KEPT_KEY_SECONDS > now);
    }

    /// How many of each kind there are.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes {
            accounts: self.accounts.len(),
            users: self.users.len(),
            sign_ins: self.sign_ins.len(),
            keys: self.keys.len(),
        }
    }

    fn compact(&self, facts: &AccountFacts) -> Account {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = match plans.get(facts.plan.as_str()) {
            Some(plan) => Arc::clone(plan),
            None => {
                let plan: Arc<str> = facts.plan.as_str().into();
                plans.insert(Arc::clone(&plan));
                plan
            }
        };
        Account {
            plan,
            epoch: facts.account_epoch,
            period_end: facts.period_end_us,
            grace_end: facts.grace_end_us,
            status: facts.status,
            reason: facts.reason,
        }
    }
}

fn spell_out(account: &Account) -> AccountFacts {
    AccountFacts {
        status: account.status,
        reason: account.reason,
        plan: account.plan.to_string(),
        account_epoch: account.epoch,
        period_end_us: account.period_end,
        grace_end_us: account.grace_end,
    }
}

/// Keeps something unless newer is known; nothing where there is no room for it, and whether what was known is another now.
fn put<K: Eq + Hash, T: PartialEq>(map: &Map<K, Known<T>>, key: K, new: Known<T>, max: usize) -> Option<bool> {
    // Looked at before the entry is held: the length looks at every part of the map. A few too many do no harm.
    let full = map.len() >= max;
    match map.entry(key) {
        Entry::Occupied(entry) if entry.get().as_of > new.as_of => Some(false),
        Entry::Occupied(mut entry) => {
            let changed = entry.get().facts != new.facts;
            entry.insert(new);
            Some(changed)
        }
        Entry::Vacant(_) if full => None,
        Entry::Vacant(entry) => {
            entry.insert(new);
            Some(false)
        }
    }
}

/// Keeps something whatever was there before, and says whether there was room.
fn keep<K: Eq + Hash, V>(map: &Map<K, V>, key: K, value: V, max: usize) -> bool {
    let full = map.len() >= max;
    match map.entry(key) {
        Entry::Vacant(_) if full => false,
        Entry::Vacant(entry) => {
            entry.insert(value);
            true
        }
        Entry::Occupied(mut entry) => {
            entry.insert(value);
            true
        }
    }
}

/// Thirty-two bytes, written in 64 hexadecimal digits.
#[must_use]
pub fn digest_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests;
