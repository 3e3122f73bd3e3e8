//! The throttle: who may make how many requests. Buckets live in this process or, for several proxies together, in a store
//! that they share ([`shared`]); limits come from a file that is read again while requests run.
//!
//! A request with a credential meets its account's bucket, any other the bucket of its client address (one IPv4 address or
//! one IPv6 network of 64 bits). Where the route names a scope, the scope's bucket (per account, else per address) is
//! asked first, and what was taken from it is not given back when the second bucket refuses. Cold work, which is
//! signature checks and look-ups, charges a third bucket of the address. Nothing here waits, reads a clock or does IO,
//! except that [`Live`] reads its file and [`Shared`] asks its store.

pub mod buckets;
pub mod gcra;
pub mod limit;
pub mod limits;
pub mod shared;
pub mod watch;

pub use limit::{Limit, Mode, RATE_LIMIT, RATE_LIMIT_POLICY, RETRY_AFTER};
pub use limits::{Larger, Limits, LimitsError, ScopeId};
pub use shared::Shared;
pub use watch::Live;

use buckets::{Buckets, Key};
use gcra::Decision;
use http::HeaderValue;
use igny8_contract::ids::AccountId;
use metrics::{counter, gauge};
use std::net::IpAddr;
use std::sync::Arc;

/// How many buckets there may be for accounts and, apart from them, for addresses.
pub const DEFAULT_MAX_BUCKETS: usize = 1_000_000;

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A request with a verified credential. `plan` is the slug of the account's plan.
    Account {
        id: AccountId,
        plan: &'a str,
        scope: Option<ScopeId>,
    },
    /// A request with a credential of another issuer: the account's name, and that name's digest. No plan is known.
    Foreign {
        account: &'a str,
        digest: u64,
        scope: Option<ScopeId>,
    },
    /// Any other request.
    Address { ip: IpAddr, scope: Option<ScopeId> },
}

/// What the throttle says to one request, and what clients are told.
#[derive(Clone, Debug)]
#[must_use]
pub struct Verdict {
    pub allowed: bool,
    /// The limit that this verdict is about: the one that refused, else the one with the fewest requests left.
    pub limit: Arc<Limit>,
    /// How many more requests this limit would admit at this moment.
    pub remaining: u32,
    /// Whole seconds until it would admit one more than that; at least 1.
    pub reset_seconds: u64,
    /// The limit in shadow mode that would have refused this request.
    pub would_refuse: Option<Arc<Limit>>,
}

impl Verdict {
    /// Whether a limit that only watches would have refused the request.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.would_refuse.is_some()
    }

    /// The value of `Retry-After` on a refusal, in whole seconds, at least 1; 0 when the request is allowed.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> u64 {
        if self.allowed { 0 } else { self.reset_seconds }
    }

    /// The value of `RateLimit-Policy`; nothing when the only limit there is is not enforced.
    #[must_use]
    pub fn policy_value(&self) -> Option<HeaderValue> {
        (self.limit.mode() == Mode::Enforce).then(|| self.limit.policy_value().clone())
    }

    /// The value of `RateLimit`; nothing when the only limit there is is not enforced.
    #[must_use]
    pub fn limit_value(&self) -> Option<HeaderValue> {
        (self.limit.mode() == Mode::Enforce).then(|| self.limit.limit_value(self.remaining, self.reset_seconds))
    }
}

/// The buckets of this process.
#[derive(Debug)]
pub struct Throttle {
    accounts: Buckets,
    /// Apart from the accounts', so that a flood of addresses never makes a signed-in account a newcomer.
    addresses: Buckets,
}

/// One limit's answer.
struct Answer<'l> {
    limit: &'l Arc<Limit>,
    decision: Decision,
}

impl Throttle {
    /// Room for `max_buckets` buckets of accounts and as many of addresses.
    #[must_use]
    pub fn new(max_buckets: usize) -> Self {
        Self {
            accounts: Buckets::new(max_buckets),
            addresses: Buckets::new(max_buckets),
        }
    }

    /// Asks for one request. `now_ns` is monotonic, in nanoseconds since the start of the process.
    pub fn admit(&self, limits: &Limits, who: Who<'_>, now_ns: u64) -> Verdict {
        let (buckets, scope, main, main_key) = match who {
            Who::Account { id, plan, scope } => (
                &self.accounts,
                scope.map(|scope| (scope, Key::account_scope(id, scope))),
                limits.account(id, plan),
                Key::account(id),
            ),
            Who::Foreign { digest, scope, .. } => (
                &self.accounts,
                scope.map(|scope| (scope, Key::foreign_scope(digest, scope))),
                limits.default_limit(),
                Key::foreign(digest),
            ),
            Who::Address { ip, scope } => (
                &self.addresses,
                scope.map(|scope| (scope, Key::address_scope(ip, scope))),
                limits.address(),
                Key::address(ip),
            ),
        };
        let ask = |limit, key| Answer::of(buckets, limit, key, limits, now_ns);
        let scoped = scope.and_then(|(scope, key)| limits.scope(scope).map(|limit| ask(limit, key)));
        match scoped {
            Some(scoped) if scoped.refuses() => scoped.verdict(None),
            Some(scoped) => scoped.and(ask(main, main_key)),
            None => ask(main, main_key).verdict(None),
        }
    }

    /// Asks for one piece of cold work, or notes one failed authentication, of a client address.
    pub fn charge_cold(&self, limits: &Limits, ip: IpAddr, now_ns: u64) -> Verdict {
        Answer::of(&self.addresses, limits.cold(), Key::cold(ip), limits, now_ns).verdict(None)
    }

    /// Removes the buckets that are full again; to be called every few seconds. Returns how many.
    pub fn sweep(&self, now_ns: u64) -> usize {
        let removed = self.accounts.sweep(now_ns) + self.addresses.sweep(now_ns);
        for (kind, buckets) in [("account", &self.accounts), ("address", &self.addresses)] {
            // Fewer than 2^53 buckets fit any memory, so the gauge is exact.
            gauge!("igny8_throttle_buckets", "kind" => kind).set(buckets.len() as f64);
        }
        removed
    }

    /// How many buckets there are, of accounts and of addresses.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.accounts.len(), self.addresses.len())
    }
}

impl<'l> Answer<'l> {
    fn of(buckets: &Buckets, limit: &'l Arc<Limit>, key: Key, limits: &Limits, now_ns: u64) -> Self {
        Self::from(limit, buckets.take(key, limit.quota(), limits.version(), now_ns))
    }

    fn from(limit: &'l Arc<Limit>, decision: Decision) -> Self {
        if !decision.allowed {
            count_refusal(limit);
        }
        Self { limit, decision }
    }

    fn enforced(&self) -> bool {
        self.limit.mode() == Mode::Enforce
    }

    fn refuses(&self) -> bool {
        self.enforced() && !self.decision.allowed
    }

    fn shadow_refusal(&self) -> Option<Arc<Limit>> {
        (!self.enforced() && !self.decision.allowed).then(|| Arc::clone(self.limit))
    }

    /// The verdict when this is the answer to tell.
    fn verdict(self, would_refuse: Option<Arc<Limit>>) -> Verdict {
        Verdict {
            allowed: !self.refuses(),
            limit: Arc::clone(self.limit),
            remaining: self.decision.remaining,
            reset_seconds: self.decision.reset_seconds(),
            would_refuse: would_refuse.or_else(|| self.shadow_refusal()),
        }
    }

    /// The verdict of a scope that did not refuse and of the bucket asked after it: the second one's answer, unless the
    /// scope is the tighter one, or the only one that is enforced.
    fn and(self, main: Self) -> Verdict {
        let tell_scope = self.enforced()
            && !main.refuses()
            && (!main.enforced() || self.decision.remaining < main.decision.remaining);
        if tell_scope {
            let would_refuse = main.shadow_refusal();
            self.verdict(would_refuse)
        } else {
            let would_refuse = self.shadow_refusal();
            main.verdict(would_refuse)
        }
    }
}

/// Counts a refusal, enforced or not. Only refused requests pay for the look-up of the counter.
#[cold]
fn count_refusal(limit: &Limit) {
    let mode = match limit.mode() {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
    };
    counter!("igny8_throttle_refused_total", "limit" => Arc::clone(limit.section()), "mode" => mode).increment(1);
}

#[cfg(test)]
mod tests;
