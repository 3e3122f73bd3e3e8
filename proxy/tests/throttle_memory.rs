//! What a million accounts cost, measured: the memory that this process, which does nothing else, takes for their buckets.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_contract::ids::AccountId;
use igny8_proxy::throttle::limits::ScopeNames;
use igny8_proxy::throttle::{DEFAULT_MAX_BUCKETS, Limits, Throttle, Who};

const ACCOUNTS: i64 = 1_000_000;
const BYTES_EACH_MAX: u64 = 128;

/// The memory that this process holds and no file backs, in bytes (proc(5), `RssAnon`).
fn held_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kibibytes * 1024
}

#[test]
fn a_million_accounts_take_at_most_128_bytes_each_and_one_more_is_a_newcomer() {
    let text = "[default]\nrate = '1/h'\nburst = 2\n";
    let limits = Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default()).unwrap();
    let throttle = Throttle::new(DEFAULT_MAX_BUCKETS);
    let ask = |id| {
        let who = Who::Account {
            id: AccountId(id),
            plan: "",
            scope: None,
        };
        throttle.admit(&limits, who, 0)
    };
    let before = held_bytes();
    for id in 1..=ACCOUNTS {
        assert!(ask(id).allowed, "{id}");
    }
    let each = held_bytes().saturating_sub(before) / ACCOUNTS.unsigned_abs();
    println!("{each} bytes for each of {ACCOUNTS} accounts");
    assert_eq!(throttle.len().0, DEFAULT_MAX_BUCKETS);
    assert!((8..=BYTES_EACH_MAX).contains(&each), "{each} bytes each");
    // Full: newcomers share one bucket, and whoever has one keeps it.
    let newcomers = (0..10).filter(|more| ask(ACCOUNTS + 1 + more).allowed).count();
    assert_eq!(newcomers, 2);
    assert!(ask(1).allowed && !ask(1).allowed);
}
