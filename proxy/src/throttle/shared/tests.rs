use super::*;
use crate::throttle::limits::ScopeNames;
use igny8_contract::ids::AccountId;
use igny8_testkit::redis::Redis;
use igny8_testkit::wait::Deadline;

/// Rates that give nothing back while a test runs: what is admitted is the burst.
const TEXT: &str = "
[default]
rate = '1/h'
burst = 50
[plan.small]
rate = '1/h'
burst = 3
[account.9]
rate = '1/h'
burst = 7
[address]
rate = '1/h'
burst = 20
[cold]
rate = '1/h'
burst = 10
[scope.tight]
rate = '1/h'
burst = 2
[scope.watched]
rate = '1/h'
burst = 1
mode = 'shadow'
";

fn limits(text: &str) -> Limits {
    Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default()).unwrap()
}

async fn connected(redis: &Redis) -> Arc<Shared> {
    let shared = Arc::new(Shared::new(&redis.url(), Duration::from_secs(5), OnStoreDown::Local).unwrap());
    let keeper = Arc::clone(&shared);
    tokio::spawn(async move { keeper.keep_connected().await });
    wait_until_up(&shared, true).await;
    shared
}

async fn wait_until_up(shared: &Shared, up: bool) {
    let began = Deadline::after(Duration::from_secs(60));
    while shared.is_up() != up {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the store never became up={up}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn admitted(shared: &Shared, limits: &Limits, who: Who<'_>, requests: usize) -> usize {
    let mut count = 0;
    for _ in 0..requests {
        count += usize::from(shared.admit(limits, who).await.unwrap().allowed);
    }
    count
}

fn account(limits: &Limits, id: i64, plan: &'static str, scope: &str) -> Who<'static> {
    Who::Account {
        id: AccountId(id),
        plan,
        scope: limits.scope_id(scope),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn exactly_the_burst_is_admitted_to_eight_tasks_of_two_proxies_for_every_kind_of_bucket() {
    let redis = Redis::start();
    let proxies = [connected(&redis).await, connected(&redis).await];
    let limits = Arc::new(limits(TEXT));
    let tight = limits.scope_id("tight");
    let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let other: IpAddr = "192.0.2.2".parse().unwrap();
    let foreign = Who::Foreign {
        account: "acme-7",
        digest: 7,
        scope: None,
    };
    for (who, burst) in [
        (account(&limits, 1, "none", ""), 50),
        (account(&limits, 2, "small", ""), 3),
        (account(&limits, 9, "small", ""), 7),
        (account(&limits, 3, "none", "tight"), 2),
        (foreign, 50),
        (Who::Address { ip: v4, scope: None }, 20),
        (Who::Address { ip: v6, scope: None }, 20),
        (
            Who::Address {
                ip: other,
                scope: tight,
            },
            2,
        ),
    ] {
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (shared, limits) = (Arc::clone(&proxies[task % 2]), Arc::clone(&limits));
                tokio::spawn(async move { admitted(&shared, &limits, who, 15).await })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        assert_eq!(sum, burst, "{who:?}");
    }
    let mut cold = 0;
    for _ in 0..30 {
        cold += usize::from(proxies[0].charge_cold(&limits, v4).await.unwrap().allowed);
    }
    assert_eq!(cold, 10);
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_share_a_bucket_and_others_do_not() {
    let redis = Redis::start();
    let shared = connected(&redis).await;
    let limits = limits(TEXT);
    let mut passed = 0;
    for host in 0..40 {
        let ip: IpAddr = format!("2001:db8:0:1::{host:x}").parse().unwrap();
        passed += usize::from(
            shared
                .admit(&limits, Who::Address { ip, scope: None })
                .await
                .unwrap()
                .allowed,
        );
    }
    assert_eq!(passed, 20);
    let other = Who::Address {
        ip: "2001:db8:0:2::1".parse().unwrap(),
        scope: None,
    };
    assert!(shared.admit(&limits, other).await.unwrap().allowed);
}

#[tokio::test]
async fn a_verdict_says_what_the_local_throttle_would_say() {
    let redis = Redis::start();
    let shared = connected(&redis).await;
    let limits = limits(TEXT);
    let local = crate::throttle::Throttle::new(100);
    for who in [
        account(&limits, 1, "small", ""),
        account(&limits, 4, "small", "tight"),
        account(&limits, 5, "small", "watched"),
    ] {
        for round in 0..5 {
            let (far, near) = (shared.admit(&limits, who).await.unwrap(), local.admit(&limits, who, 0));
            assert_eq!(
                (far.allowed, far.limit.name(), far.remaining, far.would_refuse.is_some()),
                (
                    near.allowed,
                    near.limit.name(),
                    near.remaining,
                    near.would_refuse.is_some()
                ),
                "{who:?} round {round}"
            );
            // The store's clock has moved on a little since the first request.
            assert!(
                near.reset_seconds.abs_diff(far.reset_seconds) <= 60,
                "{who:?} round {round}"
            );
        }
    }
}

#[tokio::test]
async fn what_comes_back_is_admitted_and_a_smaller_limit_clamps() {
    let redis = Redis::start();
    let shared = connected(&redis).await;
    let quick = limits("[default]\nrate = '20/s'\nburst = 2\n");
    let who = account(&quick, 1, "", "");
    assert_eq!(admitted(&shared, &quick, who, 2).await, 2);
    let began = Deadline::after(Duration::from_secs(60));
    while !shared.admit(&quick, who).await.unwrap().allowed {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing ever came back");
    }
    // Drained under a limit of an hour; under one of a tenth of a second it owes no more than that.
    let slow = limits("[default]\nrate = '1/h'\nburst = 1\n");
    let other = account(&slow, 2, "", "");
    assert_eq!(admitted(&shared, &slow, other, 2).await, 1);
    let began = Deadline::after(Duration::from_secs(60));
    while !shared.admit(&quick, other).await.unwrap().allowed {
        assert!(began.elapsed() < Duration::from_secs(10), "the old limit still holds");
    }
}

#[tokio::test]
async fn a_store_that_dies_or_hangs_is_down_within_the_deadline_and_up_again_by_itself() {
    let mut redis = Redis::start();
    let shared = Arc::new(Shared::new(&redis.url(), Duration::from_millis(300), OnStoreDown::Refuse).unwrap());
    let limits = limits(TEXT);
    let who = account(&limits, 1, "small", "");
    assert_eq!(
        shared.admit(&limits, who).await.unwrap_err(),
        StoreDown,
        "never connected"
    );
    let keeper = Arc::clone(&shared);
    tokio::spawn(async move { keeper.keep_connected().await });
    wait_until_up(&shared, true).await;
    assert_eq!(admitted(&shared, &limits, who, 5).await, 3);

    redis.kill();
    assert_eq!(shared.admit(&limits, who).await.unwrap_err(), StoreDown);
    redis.restart();
    wait_until_up(&shared, true).await;
    assert_eq!(
        admitted(&shared, &limits, who, 5).await,
        3,
        "a new store starts with full buckets"
    );

    redis.signal("STOP");
    let began = Deadline::after(Duration::from_secs(60));
    assert_eq!(shared.admit(&limits, who).await.unwrap_err(), StoreDown);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Deadline::after(Duration::from_secs(60));
    assert_eq!(shared.admit(&limits, who).await.unwrap_err(), StoreDown);
    assert!(began.elapsed() < Duration::from_millis(200), "the next one waits again");
    redis.signal("CONT");
    wait_until_up(&shared, true).await;
    assert_eq!(
        admitted(&shared, &limits, who, 3).await,
        0,
        "a store that hung forgot nothing"
    );
}

#[test]
fn an_answer_that_is_not_the_scripts_is_no_answer() {
    let limits = limits(TEXT);
    let question = || Question {
        key: "k".into(),
        limit: limits.cold(),
    };
    let one = [question()];
    assert!(read(&[1, 9, 5], &one).is_some());
    for numbers in [
        &[][..],
        &[1],
        &[1, 9],
        &[1, 9, 5, 1],
        &[1, 9, 5, 1, 9, 5],
        &[1, -1, 5],
        &[1, 9, -5],
        &[1, i64::MAX, 5],
    ] {
        assert!(read(numbers, &one).is_none(), "{numbers:?}");
    }
    assert_eq!(read(&[1, 9, 0], &one).unwrap()[0].decision.reset_ns, 1_000);
}

#[test]
fn a_password_in_the_url_never_prints() {
    let shared = Shared::new(
        "redis://:hunter2@127.0.0.1:1/0",
        Duration::from_secs(1),
        OnStoreDown::Local,
    )
    .unwrap();
    assert!(!format!("{shared:?}").contains("hunter2"));
    assert!(Shared::new("http://127.0.0.1", Duration::from_secs(1), OnStoreDown::Local).is_err());
}
