//! A throttle that proxies share, on a real Redis: together they admit what one would, and when the store is down what the
//! configuration says holds.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::echo::Echo;
use igny8_testkit::http::get;
use igny8_testkit::redis::Redis;
use igny8_testkit::stack::{App, Doorway, GENEROUS_LIMITS, Member, Stack};
use igny8_testkit::wait::wait_until;
use std::time::Duration;

const PROXIES: usize = 3;

fn stack(echo: &Echo, redis: &Redis, on_store_down: &'static str) -> Stack {
    let url = redis.url();
    let limits = format!("{GENEROUS_LIMITS}[plan.free-trial]\nrate = \"1/h\"\nburst = 20\n");
    Stack::builder()
        .app(App::At(echo.address().to_owned()))
        .limits(&limits)
        .proxies(PROXIES)
        .proxy(move |file| {
            set(file, "throttle.backend", "shared");
            set(file, "throttle.url", url);
            set(file, "throttle.on_store_down", on_store_down);
            set(file, "throttle.timeout", "2s");
            // So that refusals carry fields that have nothing to do with the throttle.
            set(file, "cors.origins", vec!["https://app.example"]);
        })
        .start()
}

/// Waits until every proxy says whether the store is up. Each is asked for a page meanwhile: it notices by what it asks.
fn wait_for_store(stack: &Stack, up: u8) {
    let told = format!("igny8_throttle_store_up {up}");
    wait_until("the proxies to notice the store", Duration::from_secs(20), || {
        let tells = |doorway: &Doorway| {
            let _any_answer = get(&doorway.public, "/").send();
            get(&doorway.ops, "/metrics").send().text().contains(&told)
        };
        stack.proxies.iter().all(tells).then_some(())
    });
}

/// What the proxy of this number answers.
fn status_at(stack: &Stack, proxy: usize, member: &Member) -> u16 {
    get(&stack.proxies[proxy].public, "/api/x")
        .bearer(&member.access)
        .send()
        .status
}

fn status(stack: &Stack, member: &Member) -> u16 {
    status_at(stack, 0, member)
}

/// How many of these requests these proxies let through together, asked by as many threads at once.
fn admitted(stack: &Stack, proxies: usize, member: &Member, threads: usize, each: usize) -> usize {
    std::thread::scope(|scope| {
        let ask = |thread: usize| {
            let answers = (0..each).map(move |number| status_at(stack, (thread + number) % proxies, member));
            answers.filter(|status| *status == 200).count()
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || ask(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn exactly_the_burst_is_admitted_whoever_counts_and_an_outage_is_never_an_open_door() {
    let echo = Echo::start();
    let mut redis = Redis::start();
    let stack = stack(&echo, &redis, "local");
    wait_for_store(&stack, 1);
    let (busy, calm, late) = (stack.sign_up(), stack.sign_up(), stack.sign_up());
    assert_eq!(admitted(&stack, PROXIES, &busy, 8, 5), 20);
    assert_eq!(status(&stack, &calm), 200);
    let refused = stack.get("/api/x").bearer(&busy.access).send();
    assert_eq!((refused.status, refused.code().as_str()), (429, "throttled"));
    assert!(
        refused
            .field("RateLimit")
            .is_some_and(|value| value.starts_with("\"plan\";r=0;t="))
    );
    assert!(refused.field("Retry-After").is_some());

    // The proxy is replaced: the buckets are in the store and stay.
    stack.restart_proxy();
    wait_for_store(&stack, 1);
    assert_eq!(status(&stack, &busy), 429, "a new proxy forgot");

    // Down: this proxy counts for itself, with full buckets and the same limits.
    redis.kill();
    assert_eq!(admitted(&stack, 1, &busy, 8, 5), 20);
    assert_eq!(admitted(&stack, 1, &late, 4, 10), 20);
    wait_for_store(&stack, 0);
    assert!(
        stack
            .metrics()
            .contains("igny8_throttle_store_down_total{decision=\"local\"}")
    );

    redis.restart();
    wait_for_store(&stack, 1);
    assert_eq!(admitted(&stack, PROXIES, &late, 4, 10), 20, "the store is asked again");
}

#[test]
fn where_a_store_that_is_down_refuses_nothing_passes_until_it_is_back() {
    let echo = Echo::start();
    let mut redis = Redis::start();
    let stack = stack(&echo, &redis, "refuse");
    wait_for_store(&stack, 1);
    let member = stack.sign_up();
    assert_eq!(status(&stack, &member), 200);
    redis.kill();
    let refused = stack.get("/api/x").bearer(&member.access).send();
    assert_eq!((refused.status, refused.code().as_str()), (429, "throttled"));
    assert_eq!(refused.field("Retry-After"), Some("1"));
    assert_eq!(refused.field("Vary"), Some("Origin"));
    assert_eq!(stack.get("/").send().status, 429);
    wait_for_store(&stack, 0);
    redis.restart();
    wait_for_store(&stack, 1);
    assert_eq!(status(&stack, &member), 200);
}
