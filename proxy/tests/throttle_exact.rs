//! Every kind of bucket under eight threads at once: exactly what its limit says is admitted, at the edge of its window too,
//! whatever address of its network a client comes from, and while the limits are read again.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_contract::ids::AccountId;
use igny8_proxy::throttle::limits::ScopeNames;
use igny8_proxy::throttle::{Limits, Throttle, Who};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Barrier;
use std::thread;

/// One request a second for everybody; only the bursts differ.
const TEXT: &str = "
[default]
rate = '60/m'
burst = 10
[plan.small]
rate = '60/m'
burst = 7
[account.42]
rate = '60/m'
burst = 9
[address]
rate = '60/m'
burst = 8
[cold]
rate = '60/m'
burst = 6
[scope.tight]
rate = '60/m'
burst = 5
";

const SECOND: u64 = 1_000_000_000;
const THREADS: usize = 8;

/// Asks once: the throttle, the limits, a number that is another one each time, and the moment.
type Ask = fn(&Throttle, &Limits, u64, u64) -> bool;

fn account(throttle: &Throttle, limits: &Limits, id: i64, plan: &str, scope: &str, now: u64) -> bool {
    let who = Who::Account {
        id: AccountId(id),
        plan,
        scope: limits.scope_id(scope),
    };
    throttle.admit(limits, who, now).allowed
}

fn foreign(throttle: &Throttle, limits: &Limits, scope: &str, now: u64) -> bool {
    let who = Who::Foreign {
        account: "acme-1",
        digest: 77,
        scope: limits.scope_id(scope),
    };
    throttle.admit(limits, who, now).allowed
}

fn address(throttle: &Throttle, limits: &Limits, ip: IpAddr, scope: &str, now: u64) -> bool {
    let scope = limits.scope_id(scope);
    throttle.admit(limits, Who::Address { ip, scope }, now).allowed
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Another address of one network of 64 bits each time.
fn rotated(number: u64) -> IpAddr {
    let host = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_0000_0001 << 64 | host))
}

/// Every kind of bucket, with its burst.
const KINDS: [(&str, usize, Ask); 11] = [
    ("an account", 10, |t, l, _, now| account(t, l, 1, "none", "", now)),
    ("an account with its plan's limit", 7, |t, l, _, now| {
        account(t, l, 2, "small", "", now)
    }),
    ("an account with its own limit", 9, |t, l, _, now| {
        account(t, l, 42, "small", "", now)
    }),
    ("an account's scope", 5, |t, l, _, now| {
        account(t, l, 3, "none", "tight", now)
    }),
    ("another issuer's account", 10, |t, l, _, now| foreign(t, l, "", now)),
    ("the scope of another issuer's account", 5, |t, l, _, now| {
        foreign(t, l, "tight", now)
    }),
    ("an address", 8, |t, l, _, now| address(t, l, V4, "", now)),
    ("a network of 64 bits", 8, |t, l, number, now| {
        address(t, l, rotated(number), "", now)
    }),
    ("a network's scope", 5, |t, l, number, now| {
        address(t, l, rotated(number), "tight", now)
    }),
    ("cold work of an address", 6, |t, l, _, now| {
        t.charge_cold(l, V4, now).allowed
    }),
    ("cold work of a network", 6, |t, l, number, now| {
        t.charge_cold(l, rotated(number), now).allowed
    }),
];

/// As many versions of one file: what is read again is the same each time.
fn versions(count: u64) -> Vec<Limits> {
    let mut names = ScopeNames::default();
    (1..=count)
        .map(|version| Limits::parse(TEXT, "limits.toml", version, &mut names).unwrap())
        .collect()
}

/// How many of `each` requests from each of eight threads are admitted at one moment.
fn admitted(throttle: &Throttle, limits: &[Limits], ask: Ask, each: usize, now: u64) -> usize {
    let start = Barrier::new(THREADS);
    let asker = |thread: usize| {
        start.wait();
        let passed = (0..each).filter(|round| {
            let number = thread * each + round;
            ask(throttle, &limits[number % limits.len()], number as u64, now)
        });
        passed.count()
    };
    thread::scope(|scope| {
        let askers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || asker(thread))).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).sum()
    })
}

#[test]
fn every_kind_of_bucket_admits_exactly_its_burst_and_then_one_request_at_the_edge_of_each_interval() {
    let limits = versions(1);
    for (kind, burst, ask) in KINDS {
        let throttle = Throttle::new(1_000);
        assert_eq!(admitted(&throttle, &limits, ask, 50, 0), burst, "{kind}");
        assert_eq!(
            admitted(&throttle, &limits, ask, 50, SECOND - 1),
            0,
            "{kind}, a moment before the edge"
        );
        assert_eq!(admitted(&throttle, &limits, ask, 50, SECOND), 1, "{kind}, at the edge");
        assert_eq!(
            admitted(&throttle, &limits, ask, 50, SECOND),
            0,
            "{kind}, at the edge again"
        );
        // One whole window later the bucket is full, and holds no more than it ever did.
        let window = burst as u64 * SECOND;
        assert_eq!(
            admitted(&throttle, &limits, ask, 50, SECOND + window - 1),
            burst - 1,
            "{kind}, before the window ends"
        );
        assert_eq!(
            admitted(&throttle, &limits, ask, 50, SECOND + window),
            1,
            "{kind}, as the window ends"
        );
        assert_eq!(
            admitted(&throttle, &limits, ask, 50, 1_000 * SECOND),
            burst,
            "{kind}, long after"
        );
    }
}

#[test]
fn limits_that_are_read_again_between_any_two_requests_admit_nothing_twice() {
    let limits = versions(4);
    for (kind, burst, ask) in KINDS {
        let throttle = Throttle::new(1_000);
        assert_eq!(admitted(&throttle, &limits, ask, 100, 0), burst, "{kind}");
        assert_eq!(admitted(&throttle, &limits, ask, 100, SECOND), 1, "{kind}, at the edge");
    }
}

#[test]
fn a_neighbouring_network_and_another_address_are_other_clients() {
    let limits = versions(1);
    let throttle = Throttle::new(1_000);
    let ask = |ip: IpAddr| (0..50).filter(|_| address(&throttle, &limits[0], ip, "", 0)).count();
    for ip in [
        "2001:db8::1",
        "2001:db8:0:1::1",
        "2001:db8:0:2::1",
        "192.0.2.1",
        "192.0.2.2",
    ] {
        assert_eq!(ask(ip.parse().unwrap()), 8, "{ip}");
    }
    assert_eq!(ask("2001:db8:0:1:ffff:ffff:ffff:ffff".parse().unwrap()), 0);
}
