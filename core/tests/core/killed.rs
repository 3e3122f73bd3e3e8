//! kill -9 right before and right after a commit: who asks again under the same key is answered, the same each time, and
//! the request has taken effect once.

use super::site::{PASSWORD, Server, Site, on_both};
use igny8_testkit::http::{Request, post};
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many kills there are on each engine.
fn kills() -> usize {
    if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        200
    } else {
        20
    }
}

/// One request of the story: its path, its body, and what of the world it moves.
struct Step {
    path: String,
    body: Value,
}

/// What the world looks like: every number that a request may move once and never twice.
fn world(site: &Site) -> BTreeMap<&'static str, i64> {
    let numbers = [
        ("credits", "SELECT CAST(SUM(credits) AS BIGINT) FROM account"),
        ("entries", "SELECT COUNT(*) FROM ledger_entry"),
        ("holds", "SELECT COUNT(*) FROM credit_hold"),
        ("ended holds", "SELECT COUNT(*) FROM credit_hold WHERE status <> 'open'"),
        ("payments", "SELECT COUNT(*) FROM payment"),
        ("receipts", "SELECT COUNT(*) FROM receipt"),
        ("periods", "SELECT COUNT(*) FROM subscription_period"),
        ("answers", "SELECT COUNT(*) FROM idempotency_key"),
        (
            "cancelled",
            "SELECT CAST(SUM(cancel_at_period_end) AS BIGINT) FROM subscription",
        ),
    ];
    numbers.map(|(name, sql)| (name, site.number(sql))).into()
}

/// The story's request number `index`, by turns.
fn step(index: usize, account: i64, hold: i64) -> Step {
    let (path, body) = match index % 8 {
        0 => (
            "credits/consume/".into(),
            json!({"amount": 3, "description": "a draft"}),
        ),
        1 => (
            "credits/holds/".into(),
            json!({"amount": 7, "description": "a long job"}),
        ),
        2 => (format!("credits/holds/{hold}/confirm/"), json!({"amount": 4})),
        3 => (
            "account/upgrade/".into(),
            json!({"plan_slug": "starter", "payment_method": "bank_transfer"}),
        ),
        4 => (
            "billing/confirm-bank-transfer/".into(),
            json!({"account_id": account, "external_payment_id": format!("BT-{index}"), "amount": "29.99",
                   "payer_name": "Ada"}),
        ),
        5 => ("account/cancel/".into(), json!({})),
        6 => (
            "billing/adjust-credits/".into(),
            json!({"account_id": account, "amount": 11, "reason": "a thank-you"}),
        ),
        _ => ("account/resume/".into(), json!({})),
    };
    Step {
        path: format!("/api/v1/{path}"),
        body,
    }
}

/// Tokens live five minutes and survive a restart; the server's address stays as well.
struct People {
    owner: String,
    staff: String,
}

impl People {
    fn request(&self, server: &Server, step: &Step, key: &str) -> Request {
        let token = if step.path.contains("/billing/") {
            &self.staff
        } else {
            &self.owner
        };
        post(&server.public, &step.path)
            .bearer(token)
            .field("Idempotency-Key", key)
            .json(&step.body)
    }
}

fn succeeded(answer: &Response, step: &Step) -> Value {
    assert!((200..300).contains(&answer.status), "{}: {}", step.path, answer.text());
    answer.json()["data"].clone()
}

#[test]
fn a_request_that_is_asked_again_after_a_kill_takes_effect_once_and_is_answered_the_same() {
    on_both(|site| {
        let mut server = site.serve();
        let member = server.sign_up();
        let account = member.data["account"]["id"].as_i64().unwrap();
        let mut staff = site.command(&[
            "staff",
            "create",
            "--email",
            "staff@example.com",
            "--platform-role",
            "admin",
        ]);
        igny8_testkit::process::run(staff.env("IGNY8_STAFF_PASSWORD", PASSWORD));
        let signed_in = server.login("staff@example.com", PASSWORD).json();
        let people = People {
            owner: member.access,
            staff: signed_in["data"]["access"].as_str().unwrap().to_owned(),
        };
        let mut hold = 0;
        for kill in 0..kills() {
            drop(server);
            // Every request is met both ways before the next round; the worker must not take the commit that is meant.
            let place = if kill / 8 % 2 == 0 {
                "before_commit:1"
            } else {
                "after_commit:1"
            };
            let quiet = ("IGNY8_CORE__WORKER__ENABLED", "false");
            let mut doomed = site.serve_with(&[("IGNY8_CORE_FAIL_POINT", place), quiet]);
            let (step, key, before) = (step(kill, account, hold), format!("key-{kill}"), world(&site));
            let lost = people.request(&doomed, &step, &key).try_send();
            assert!(lost.is_err(), "{place} {}: it was answered", step.path);
            let ended =
                igny8_testkit::wait::wait_until("the core to be gone", std::time::Duration::from_secs(20), || {
                    doomed.child.ended()
                });
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&ended),
                Some(9),
                "{ended}"
            );
            let nothing_yet = world(&site) == before;
            assert_eq!(nothing_yet, place.starts_with("before"), "{place} {}", step.path);

            server = site.serve();
            let first = succeeded(&people.request(&server, &step, &key).send(), &step);
            let after = world(&site);
            assert_ne!(after, before, "{}", step.path);
            assert_eq!(after["answers"], before["answers"] + 1, "{}", step.path);
            assert!(
                (0..=2).contains(&(after["entries"] - before["entries"])),
                "{}",
                step.path
            );
            let again = succeeded(&people.request(&server, &step, &key).send(), &step);
            assert_eq!(again, first, "{}", step.path);
            assert_eq!(world(&site), after, "{}", step.path);
            if step.path.ends_with("/holds/") {
                hold = first["id"].as_i64().unwrap();
            }
        }
        site.is_healthy();
    });
}
