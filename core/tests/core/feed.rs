//! The change feed: what it tells, to whom, and when it sends somebody for a new snapshot.

mod writers;

use super::site::{Member, PASSWORD, Server, Site, on_both, staff};
use igny8_contract::feed::{Change, Changes, FeedHead, Item, SnapshotPage};
use igny8_testkit::http::get;
use igny8_testkit::raw::Response;
use igny8_testkit::wait::{Deadline, wait_until};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

fn ask(server: &Server, path: &str) -> Response {
    get(&server.internal, path).bearer(&server.token).send()
}

fn after(server: &Server, place: &FeedHead, wait_ms: u64) -> Response {
    let (seq, generation, stamp) = (place.seq, &place.generation, place.stamp);
    ask(
        server,
        &format!("/internal/v1/changes?after={seq}&generation={generation}&stamp={stamp}&wait_ms={wait_ms}"),
    )
}

/// What has changed after a place, but for the key set, which every core tells of when it starts; the place goes on.
#[track_caller]
fn follow(server: &Server, place: &mut FeedHead) -> Vec<Change> {
    let mut changes = follow_all(server, place);
    changes.retain(|change| change.item != Item::KeySet);
    changes
}

#[track_caller]
fn follow_all(server: &Server, place: &mut FeedHead) -> Vec<Change> {
    let answer = after(server, place, 0);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let changes: Changes = serde_json::from_slice(&answer.body).unwrap();
    assert!(changes.as_of >= changes.upto.seq && changes.upto.seq >= place.seq);
    *place = changes.upto;
    changes.changes
}

fn page(server: &Server, next: Option<&str>) -> SnapshotPage {
    let query = next.map_or_else(String::new, |next| format!("?after={next}"));
    let answer = ask(server, &format!("/internal/v1/snapshot{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Everything, and the place to go on from.
fn snapshot(server: &Server) -> (FeedHead, Vec<Item>) {
    let first = page(server, None);
    let (mut items, mut next) = (first.items, first.next);
    while let Some(cursor) = next {
        let more = page(server, Some(&cursor));
        items.extend(more.items);
        next = more.next;
    }
    (first.head, items)
}

/// The place where a site stands once its first core has told of its key set.
fn start(site: &Site, server: &Server) -> FeedHead {
    wait_until("the key set to be told of", SOON, || {
        (site.number("SELECT COUNT(*) FROM key_set WHERE digest <> ''") == 1).then(|| page(server, None).head)
    })
}

/// Waits until nobody is connected to the database of a core that was stopped.
fn wait_until_alone(site: &Site) {
    if site.engine == "postgres" {
        wait_until("connections to end", SOON, || {
            let others =
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
            (site.number(others) == 0).then_some(())
        });
    }
}

fn log_out(server: &Server, member: &Member) {
    let left = server.post("/api/v1/auth/logout/").bearer(&member.access).send();
    assert_eq!(left.status, 204, "{}", left.text());
}

fn sid(member: &Member) -> String {
    use base64::Engine as _;
    let payload = member.access.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

#[test]
fn what_changes_anybodys_standing_is_told_and_nothing_else_is() {
    on_both(|site| {
        let server = site.serve();
        let mut place = start(&site, &server);
        let member = server.sign_up();
        let (account, user) = (member.data["account"]["id"].clone(), member.data["user"]["id"].clone());
        let told = follow(&server, &mut place);
        let words: BTreeSet<String> = told
            .iter()
            .map(|change| {
                serde_json::to_value(&change.item).unwrap()["what"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(words, ["account", "user"].map(str::to_owned).into(), "{told:?}");
        let item = serde_json::to_value(&told[0].item).unwrap();
        assert_eq!((&item["id"], &item["facts"]["status"]), (&account, &json!("trial")));
        assert!(item["facts"]["period_end_us"].as_i64().unwrap() > told[0].at_us.0);

        // Signing in, asking, spending: nobody's standing is another.
        assert_eq!(server.login(&member.email, PASSWORD).status, 200);
        for amount in 1..5 {
            let spent = server
                .post("/api/v1/credits/consume/")
                .bearer(&member.access)
                .field("Idempotency-Key", &format!("key-{amount}"))
                .json(&json!({"amount": amount, "description": "x"}))
                .send();
            assert!(spent.status < 300, "{}", spent.text());
        }
        assert_eq!(follow(&server, &mut place), []);

        let staff = staff(&site, &server);
        follow(&server, &mut place);
        let suspended = server
            .post(&format!("/api/v1/staff/accounts/{account}/suspend/"))
            .bearer(&staff)
            .field("Idempotency-Key", "suspend-1")
            .json(&json!({"reason": "abuse"}))
            .send();
        assert_eq!(suspended.status, 200, "{}", suspended.text());
        let told = follow(&server, &mut place);
        let item = serde_json::to_value(&told[0].item).unwrap();
        assert_eq!((told.len(), &item["facts"]["reason"]), (1, &json!("abuse")), "{told:?}");

        log_out(&server, &member);
        let told = follow(&server, &mut place);
        let [
            Change {
                item: Item::SignIn { sid: ended, until_us },
                at_us,
            },
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!((ended, until_us.0 - at_us.0), (&sid(&member), 300_000_000));
        log_out(&server, &member);
        assert_eq!(follow(&server, &mut place), [], "it had ended already");

        site.sql(&format!("UPDATE users SET epoch = epoch + 1 WHERE id = {user}"))
            .unwrap();
        let told = follow(&server, &mut place);
        let item = serde_json::to_value(&told[0].item).unwrap();
        assert_eq!((told.len(), &item["facts"]["user_epoch"]), (1, &json!(1)), "{told:?}");
    });
}

/// Every column that standing depends on is watched, whoever changes it: so no story can forget to tell of it.
#[test]
fn no_change_of_a_column_that_standing_depends_on_goes_untold() {
    on_both(|site| {
        let server = site.serve();
        server.sign_up();
        make_session(&site);
        let mut place = start(&site, &server);
        for (told, sql) in [
            (true, "UPDATE account SET status = 'past_due' WHERE id = 1"),
            (
                true,
                "UPDATE account SET status = 'suspended', suspend_reason = 'staff' WHERE id = 1",
            ),
            (true, "UPDATE account SET suspend_reason = 'abuse' WHERE id = 1"),
            (
                true,
                "UPDATE account SET plan_id = (SELECT MAX(id) FROM plan) WHERE id = 1",
            ),
            (true, "UPDATE account SET epoch = epoch + 1 WHERE id = 1"),
            (true, "UPDATE users SET role = 'viewer' WHERE id = 1"),
            (true, "UPDATE users SET platform_role = 'admin' WHERE id = 1"),
            (true, "UPDATE users SET epoch = epoch + 1 WHERE id = 1"),
            (true, "UPDATE users SET is_active = 0 WHERE id = 1"),
            (true, "UPDATE subscription SET grace_end_us = 5 WHERE account_id = 1"),
            (true, "UPDATE sign_in SET ended_at_us = 5 WHERE id = 1"),
            (true, "UPDATE admin_session SET ended_at_us = 5 WHERE id = 1"),
            (true, "UPDATE key_set SET digest = 'other'"),
            (
                false,
                "UPDATE account SET status = status, suspend_reason = suspend_reason, epoch = epoch",
            ),
            (false, "UPDATE account SET name = 'x', due_us = 0 WHERE id = 1"),
            (
                false,
                "UPDATE users SET first_name = 'x', is_active = is_active WHERE id = 1",
            ),
            (false, "UPDATE key_set SET digest = 'other'"),
        ] {
            site.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            let changes = follow_all(&server, &mut place);
            assert_eq!(changes.len(), usize::from(told), "{sql}: {changes:?}");
        }
    });
}

fn make_session(site: &Site) {
    let hash = if site.engine == "sqlite" {
        "zeroblob(32)"
    } else {
        "decode(repeat('00', 32), 'hex')"
    };
    site.sql(&format!(
        "INSERT INTO admin_session (token_hash, user_id, created_at_us, expires_at_us) VALUES ({hash}, 1, 0, 4102444800000000)"
    ))
    .unwrap();
}

#[test]
fn whoever_waits_is_told_at_once_by_this_process_and_soon_by_another() {
    on_both(|site| {
        let server = site.serve();
        let (one, other) = (server.sign_up(), server.sign_up());
        let place = start(&site, &server);
        let waited = Deadline::after(SOON);
        let quiet = after(&server, &place, 300);
        let changes: Changes = serde_json::from_slice(&quiet.body).unwrap();
        assert!(waited.elapsed() >= Duration::from_millis(300) && changes.changes.is_empty());
        assert!(
            changes.waited_us >= 300_000,
            "the last look was at the end: {changes:?}"
        );
        // Both would wait longer than the test's patience.
        for by_another in [false, true] {
            let mut place = start(&site, &server);
            let told = std::thread::scope(|scope| {
                let waiting = scope.spawn(|| after(&server, &place, 25_000));
                wait_until("somebody to wait", SOON, || {
                    server
                        .metric("igny8_core_feed_waiting")
                        .filter(|waiting| *waiting >= 1.0)
                });
                let begun = Deadline::after(SOON);
                if by_another {
                    let sid = sid(&other);
                    site.sql(&format!("UPDATE sign_in SET ended_at_us = 5 WHERE sid = '{sid}'"))
                        .unwrap();
                } else {
                    log_out(&server, &one);
                }
                let told = waiting.join().unwrap();
                println!("told after {:?} (by another: {by_another})", begun.elapsed());
                assert!(begun.remaining().is_some());
                told
            });
            let changes: Changes = serde_json::from_slice(&told.body).unwrap();
            let ended = if by_another { sid(&other) } else { sid(&one) };
            assert!(
                matches!(&changes.changes[0].item, Item::SignIn { sid, .. } if *sid == ended),
                "{changes:?}"
            );
            place = changes.upto;
            assert_eq!(follow(&server, &mut place), []);
        }
    });
}

#[test]
fn a_snapshot_holds_every_account_and_user_and_leads_to_where_the_feed_goes_on() {
    on_both(|site| {
        let server = site.serve();
        // More than two pages.
        site.sql(
            "INSERT INTO account (kind, name, status, created_at_us, updated_at_us) \
             WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 4500) \
             SELECT 'staff', 'x', 'active', 0, 0 FROM counted",
        )
        .unwrap();
        let member = server.sign_up();
        let (mut place, items) = snapshot(&server);
        let accounts = items
            .iter()
            .filter(|item| matches!(item, Item::Account { facts: Some(_), .. }));
        assert_eq!(accounts.count(), 4501);
        let users = items
            .iter()
            .filter(|item| matches!(item, Item::User { facts: Some(_), .. }));
        assert_eq!(users.count(), 1);
        follow(&server, &mut place);
        log_out(&server, &member);
        assert_eq!(follow(&server, &mut place).len(), 1);
    });
}

#[test]
fn a_place_that_is_not_in_this_history_needs_a_new_snapshot() {
    on_both(|site| {
        let server = site.serve();
        let before = start(&site, &server);
        let member = server.sign_up();
        let mut place = before.clone();
        follow(&server, &mut place);
        let with = |change: fn(&mut FeedHead)| {
            let mut other = place.clone();
            change(&mut other);
            after(&server, &other, 0)
        };
        for answer in [
            with(|place| place.generation = "0123".into()),
            with(|place| place.stamp += 1),
            with(|place| place.seq += 1),
            with(|place| place.seq -= 1),
            with(|place| place.seq = -1),
        ] {
            assert_eq!(answer.status, 410, "{}", answer.text());
            assert_eq!(serde_json::from_slice::<FeedHead>(&answer.body).unwrap(), place);
        }
        // Without a stamp the number alone is believed.
        let (seq, generation) = (before.seq, &before.generation);
        let bare = ask(
            &server,
            &format!("/internal/v1/changes?after={seq}&generation={generation}"),
        );
        assert_eq!(bare.status, 200, "{}", bare.text());
        // Swept away, all but the place where everybody stands.
        site.sql("UPDATE feed_change SET at_us = 5").unwrap();
        wait_until("old rows to be swept away", SOON, || {
            (site.number("SELECT COUNT(DISTINCT seq) FROM feed_change") == 1).then_some(())
        });
        log_out(&server, &member);
        assert_eq!(after(&server, &before, 0).status, 410);
        assert_eq!(follow(&server, &mut place).len(), 1);
        for (query, field) in [
            ("", "after"),
            ("after=x&generation=g", "after"),
            ("after=1&generation=g&wait_ms=25001", "wait_ms"),
            ("after=1&generation=g&stamp=", "stamp"),
            ("after=1&after=1", "after"),
            ("after=1&from=1", "from"),
        ] {
            let answer = ask(&server, &format!("/internal/v1/changes?{query}"));
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (422, "validation_failed"),
                "{query}"
            );
            assert!(answer.json()["fields"][field].is_string(), "{query}: {}", answer.text());
        }
        assert_eq!(ask(&server, "/internal/v1/snapshot?after=plans:1").status, 422);
    });
}

/// A backup that is put back goes on with the same numbers, and yet nobody who followed the other history goes on.
#[test]
fn a_database_that_was_put_back_or_copied_is_another_history() {
    on_both(|site| {
        let (first, people) = {
            let server = site.serve();
            let people: Vec<Member> = (0..6).map(|_| server.sign_up()).collect();
            (start(&site, &server), people)
        };
        wait_until_alone(&site);
        let backup = site.twin();
        let end = |site: &Site, server: &Server, member: &Member, place: &mut FeedHead| {
            let sid = sid(member);
            site.sql(&format!("UPDATE sign_in SET ended_at_us = 5 WHERE sid = '{sid}'"))
                .unwrap();
            assert_eq!(follow(server, place).len(), 1);
        };
        let (mut lost, mut kept) = (first.clone(), first);
        {
            let server = site.serve();
            follow(&server, &mut lost);
            people[..2]
                .iter()
                .for_each(|member| end(&site, &server, member, &mut lost));
        }
        let server = backup.serve();
        follow(&server, &mut kept);
        assert_eq!(after(&server, &lost, 0).status, 410, "numbers that do not exist yet");
        people[2..]
            .iter()
            .for_each(|member| end(&backup, &server, member, &mut kept));
        assert!(kept.seq > lost.seq);
        assert_eq!(
            after(&server, &lost, 0).status,
            410,
            "numbers that exist again, with other stamps"
        );

        drop(server);
        wait_until_alone(&backup);
        let copy = Site::sqlite();
        copy.must(&["migrate", "up"]);
        copy.must(&["db", "copy", "--from", &backup.url, "--to", &copy.url]);
        let server = copy.serve();
        assert_eq!(after(&server, &kept, 0).status, 410);
        assert_ne!(page(&server, None).head.generation, kept.generation);
    });
}

#[test]
fn a_new_signing_key_is_told_of_once() {
    on_both(|site| {
        let server = site.serve();
        let mut place = start(&site, &server);
        site.must(&["keys", "rotate"]);
        server.child.signal("HUP");
        let told = wait_until("the new key to be told of", SOON, || {
            Some(follow_all(&server, &mut place)).filter(|told| !told.is_empty())
        });
        assert!(matches!(told[..], [Change { item: Item::KeySet, .. }]), "{told:?}");
    });
}
