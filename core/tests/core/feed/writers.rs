//! Many writers on two processes, and followers that come, go and fall behind.

use super::{after, log_out, sid, start};
use crate::site::{Member, PASSWORD, Server, Site, new_email};
use igny8_contract::feed::{Change, Changes, FeedHead, Item};
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a follower has been told of sign-ins that ended, and how often of each.
type Seen = BTreeMap<String, usize>;

fn note(seen: &mut Seen, changes: Vec<Change>) {
    for change in changes {
        if let Item::SignIn { sid, .. } = change.item {
            *seen.entry(sid).or_default() += 1;
        }
    }
}

/// Follows from `place` on until the writers are done and nothing is left to be told.
fn everything_after(servers: &[Server; 2], mut place: FeedHead, number: usize, writing: &AtomicBool) -> Seen {
    // The last comes late, and has a long way to go.
    if number == 3 {
        wait_until("the writers to be done", Duration::from_secs(300), || {
            (!writing.load(Ordering::Relaxed)).then_some(())
        });
    }
    let (mut seen, mut turn) = (Seen::new(), number);
    loop {
        let last = !writing.load(Ordering::Relaxed);
        // Followers go from one process to the other, as after a restart, and wait or do not.
        let answer = after(&servers[turn % 2], &place, if turn % 3 == 0 { 0 } else { 40 });
        assert_eq!(answer.status, 200, "{}", answer.text());
        let changes: Changes = serde_json::from_slice(&answer.body).unwrap();
        let done = last && changes.changes.is_empty();
        place = changes.upto;
        note(&mut seen, changes.changes);
        turn += 1;
        if done {
            return seen;
        }
    }
}

/// Somebody signs up, signs in and out again so many times. The names of the sign-ins that have ended.
fn in_and_out(server: &Server, times: usize) -> Vec<String> {
    let email = new_email();
    let signed_up = server.register(&json!({"email": email, "password": PASSWORD}));
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    let once = |_| {
        let data = server.login(&email, PASSWORD).json()["data"].clone();
        let member = Member {
            email: email.clone(),
            access: data["access"].as_str().unwrap().to_owned(),
            data,
        };
        log_out(server, &member);
        sid(&member)
    };
    (0..times).map(once).collect()
}

#[test]
fn eight_writers_on_two_processes_lose_and_double_nothing_for_whoever_follows_whichever() {
    let long = std::env::var_os("IGNY8_TEST_LONG").is_some();
    let each = if long { 60 } else { 12 };
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let twin = Site::at("postgres", site.url.clone());
    let servers = [site.serve(), twin.serve()];
    let places = servers.iter().map(|server| start(&site, server));
    let place = places.max_by_key(|place| place.seq).unwrap();
    let writing = AtomicBool::new(true);
    let (servers, writing) = (&servers, &writing);
    let (ended, followers) = std::thread::scope(|scope| {
        let followers: Vec<_> = (0..4)
            .map(|number| {
                let place = place.clone();
                scope.spawn(move || everything_after(servers, place, number, writing))
            })
            .collect();
        let writers: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || in_and_out(&servers[number % 2], each)))
            .collect();
        let ended: BTreeSet<String> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        writing.store(false, Ordering::Relaxed);
        let followers: Vec<Seen> = followers.into_iter().map(|follower| follower.join().unwrap()).collect();
        (ended, followers)
    });
    assert_eq!(ended.len(), 8 * each);
    for seen in followers {
        assert!(seen.values().all(|count| *count == 1), "told twice: {seen:?}");
        assert_eq!(seen.into_keys().collect::<BTreeSet<_>>(), ended);
    }
    let numbers = site.number("SELECT COUNT(DISTINCT seq) FROM feed_change");
    let head = site.number("SELECT seq FROM feed_head");
    assert_eq!(numbers, head + 1, "one number for each story, and none left out");
}
