use super::limits::ScopeNames;
use super::*;
use std::sync::Barrier;
use std::thread;

const TEXT: &str = "
[default]
rate = '600/m'
burst = 10
[plan.small]
rate = '60/m'
burst = 3
[address]
rate = '60/m'
burst = 5
[cold]
rate = '60/m'
burst = 2
[scope.tight]
rate = '60/m'
burst = 2
[scope.wide]
rate = '60/m'
burst = 100
[scope.watched]
rate = '60/m'
burst = 1
mode = 'shadow'
";

fn limits(text: &str) -> Limits {
    Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default()).unwrap()
}

fn account(limits: &Limits, id: i64, plan: &'static str, scope: &str) -> Who<'static> {
    Who::Account {
        id: AccountId(id),
        plan,
        scope: limits.scope_id(scope),
    }
}

fn address(limits: &Limits, ip: &str, scope: &str) -> Who<'static> {
    Who::Address {
        ip: ip.parse().unwrap(),
        scope: limits.scope_id(scope),
    }
}

fn admitted(throttle: &Throttle, limits: &Limits, who: Who<'_>, requests: usize) -> usize {
    (0..requests).filter(|_| throttle.admit(limits, who, 0).allowed).count()
}

#[test]
fn exactly_the_burst_passes_from_eight_threads_and_another_account_is_unaffected() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    let start = Barrier::new(8);
    let passed: usize = thread::scope(|scope| {
        let thread = || {
            start.wait();
            admitted(&throttle, &limits, account(&limits, 1, "none", ""), 50)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 10);
    assert_eq!(admitted(&throttle, &limits, account(&limits, 2, "none", ""), 50), 10);
}

#[test]
fn an_account_has_its_plans_limit_and_an_address_its_own() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    assert_eq!(admitted(&throttle, &limits, account(&limits, 1, "small", ""), 50), 3);
    assert_eq!(admitted(&throttle, &limits, address(&limits, "192.0.2.1", ""), 50), 5);
    assert_eq!(admitted(&throttle, &limits, address(&limits, "192.0.2.2", ""), 50), 5);
    assert_eq!(admitted(&throttle, &limits, address(&limits, "2001:db8::1", ""), 50), 5);
    assert_eq!(
        admitted(&throttle, &limits, address(&limits, "2001:db8::2", ""), 50),
        0,
        "the same network of 64 bits"
    );
}

#[test]
fn a_scope_that_refuses_is_reported_and_takes_nothing_from_the_account() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    let who = account(&limits, 1, "none", "tight");
    assert_eq!(admitted(&throttle, &limits, who, 50), 2);
    let refused = throttle.admit(&limits, who, 0);
    assert_eq!(
        (
            refused.allowed,
            refused.limit.name(),
            refused.remaining,
            refused.retry_after_seconds()
        ),
        (false, "tight", 0, 1)
    );
    assert_eq!(
        admitted(&throttle, &limits, account(&limits, 1, "none", ""), 50),
        8,
        "two of ten went to the scope's requests"
    );
}

#[test]
fn what_a_scope_gave_is_not_given_back_when_the_account_refuses() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    assert_eq!(admitted(&throttle, &limits, account(&limits, 1, "small", ""), 50), 3);
    let refused = throttle.admit(&limits, account(&limits, 1, "small", "wide"), 0);
    assert_eq!((refused.allowed, refused.limit.name()), (false, "plan"));
    // Under another plan the account's bucket has room again, and the scope's shows the request that was refused.
    let text = TEXT.replace("burst = 3", "burst = 1000");
    let wider = Limits::parse(&text, "limits.toml", 2, &mut ScopeNames::default()).unwrap();
    let verdict = throttle.admit(&wider, account(&wider, 1, "small", "wide"), 0);
    assert_eq!(
        (verdict.allowed, verdict.limit.name(), verdict.remaining),
        (true, "wide", 98)
    );
}

#[test]
fn the_tighter_of_two_limits_is_reported() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    let tight = throttle.admit(&limits, account(&limits, 1, "none", "tight"), 0);
    assert_eq!(tight.policy_value().unwrap(), "\"tight\";q=2;w=2");
    assert_eq!(tight.limit_value().unwrap(), "\"tight\";r=1;t=1");
    let wide = throttle.admit(&limits, account(&limits, 1, "none", "wide"), 0);
    assert_eq!(wide.policy_value().unwrap(), "\"default\";q=10;w=1");
    assert_eq!(wide.limit_value().unwrap(), "\"default\";r=8;t=1");
}

#[test]
fn a_scope_counts_each_account_and_each_address_by_itself() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    for who in [
        account(&limits, 1, "none", "tight"),
        account(&limits, 2, "none", "tight"),
        address(&limits, "192.0.2.1", "tight"),
        address(&limits, "192.0.2.2", "tight"),
    ] {
        assert_eq!(admitted(&throttle, &limits, who, 50), 2, "{who:?}");
    }
}

#[test]
fn a_shadow_scope_refuses_nothing_and_says_what_it_would_have_refused() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    let who = account(&limits, 1, "none", "watched");
    let first = throttle.admit(&limits, who, 0);
    assert!(first.allowed && first.would_refuse.is_none());
    let second = throttle.admit(&limits, who, 0);
    assert!(second.allowed);
    assert_eq!(second.would_refuse.as_ref().unwrap().name(), "watched");
    assert_eq!(
        second.limit_value().unwrap(),
        "\"default\";r=8;t=1",
        "clients hear nothing of it"
    );
    assert_eq!(admitted(&throttle, &limits, who, 50), 8);
}

#[test]
fn a_shadow_default_refuses_nothing_and_tells_clients_nothing() {
    let (throttle, limits) = (
        Throttle::new(100),
        limits(&TEXT.replace("burst = 10\n", "burst = 10\nmode = 'shadow'\n")),
    );
    assert_eq!(admitted(&throttle, &limits, account(&limits, 1, "none", ""), 50), 50);
    let verdict = throttle.admit(&limits, account(&limits, 1, "none", ""), 0);
    assert_eq!(verdict.would_refuse.as_ref().unwrap().name(), "default");
    assert!(verdict.policy_value().is_none() && verdict.limit_value().is_none());
    let scoped = throttle.admit(&limits, account(&limits, 1, "none", "wide"), 0);
    assert_eq!(scoped.limit_value().unwrap(), "\"wide\";r=99;t=1");
    assert_eq!(scoped.would_refuse.as_ref().unwrap().name(), "default");
}

#[test]
fn cold_work_has_a_bucket_of_its_own() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    let ip = "192.0.2.1".parse().unwrap();
    assert!(throttle.charge_cold(&limits, ip, 0).allowed);
    assert!(throttle.charge_cold(&limits, ip, 0).allowed);
    let refused = throttle.charge_cold(&limits, ip, 0);
    assert_eq!(
        (refused.allowed, refused.limit.name(), refused.retry_after_seconds()),
        (false, "cold", 1)
    );
    assert_eq!(admitted(&throttle, &limits, address(&limits, "192.0.2.1", ""), 50), 5);
}

#[test]
fn what_retry_after_promises_holds() {
    let (throttle, limits) = (Throttle::new(100), limits(TEXT));
    let who = account(&limits, 1, "small", "");
    assert_eq!(admitted(&throttle, &limits, who, 50), 3);
    let refused = throttle.admit(&limits, who, 0);
    assert_eq!(
        refused.limit_value().unwrap(),
        format!("\"plan\";r=0;t={}", refused.retry_after_seconds())
    );
    assert!(
        throttle
            .admit(&limits, who, refused.retry_after_seconds() * 1_000_000_000)
            .allowed
    );
}

#[test]
fn a_flood_of_addresses_makes_no_account_a_newcomer() {
    let (throttle, limits) = (Throttle::new(10), limits(TEXT));
    for last in 0..200 {
        let _ = throttle.admit(&limits, address(&limits, &format!("192.0.2.{last}"), ""), 0);
    }
    for id in 1..=10 {
        assert_eq!(admitted(&throttle, &limits, account(&limits, id, "none", ""), 50), 10);
    }
    assert_eq!(throttle.len(), (10, 10));
    assert_eq!(throttle.sweep(3_600_000_000_000), 20);
    assert_eq!(throttle.len(), (0, 0));
}
