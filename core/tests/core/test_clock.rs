//! The test clock: who may put it forward, what goes by it, and what does not.

use super::site::{Member, PASSWORD, Server, Site, on_both, staff};
use igny8_contract::time::Timestamp;
use igny8_testkit::raw::Response;
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

/// Turns the test clock on.
pub const ON: (&str, &str) = ("IGNY8_CORE__TEST_CLOCK__ENABLED", "true");

const PATH: &str = "/api/v1/staff/clock/";
pub const DAY: i64 = 86_400;

/// Puts the service's time forward; the worker has done its part when this returns.
#[track_caller]
pub fn advance(server: &Server, staff: &str, seconds: i64) -> Timestamp {
    let answer = server
        .post(PATH)
        .bearer(staff)
        .json(&json!({"advance_seconds": seconds}))
        .patience(Duration::from_secs(60))
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    instant(&answer.json()["data"]["now"])
}

pub fn instant(text: &Value) -> Timestamp {
    let parsed: jiff::Timestamp = text.as_str().unwrap().parse().unwrap();
    Timestamp(parsed.as_microsecond())
}

fn code(answer: &Response) -> (u16, String) {
    (answer.status, answer.code())
}

#[test]
fn staff_put_the_clock_forward_and_nothing_else_moves_it() {
    on_both(|site| {
        let server = site.serve_with(&[ON]);
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let read = || server.get(PATH).bearer(&staff).send().json()["data"].clone();
        assert_eq!(read()["ahead_seconds"], 0);
        let now = advance(&server, &staff, 3 * DAY);
        let reading = read();
        assert_eq!(reading["ahead_seconds"], 3 * DAY);
        assert!(instant(&reading["now"]) >= now);
        let ahead = instant(&reading["now"]).0 - instant(&reading["machine_now"]).0;
        assert!((ahead - 3 * DAY * 1_000_000).abs() < 5_000_000, "{reading}");
        for (body, field) in [
            (json!({"advance_seconds": 0}), "advance_seconds"),
            (json!({"advance_seconds": -5}), "advance_seconds"),
            (json!({"advance_seconds": 315_619_201}), "advance_seconds"),
            (json!({"advance_seconds": "5"}), "advance_seconds"),
            (json!({"advance_seconds": 1.5}), "advance_seconds"),
            (json!({}), "advance_seconds"),
            (json!({"advance_seconds": 5, "ahead": 1}), "ahead"),
        ] {
            let refused = server.post(PATH).bearer(&staff).json(&body).send();
            assert_eq!(code(&refused), (422, "validation_failed".into()), "{body}");
            assert!(
                refused.json()["fields"][field].is_string(),
                "{body}: {}",
                refused.text()
            );
        }
        for request in [server.get(PATH), server.post(PATH).json(&json!({"advance_seconds": 5}))] {
            assert_eq!(code(&request.send()), (401, "credentials_required".into()));
        }
        for request in [server.get(PATH), server.post(PATH).json(&json!({"advance_seconds": 5}))] {
            assert_eq!(
                code(&request.bearer(&member.access).send()),
                (403, "role_required".into())
            );
        }
        assert_eq!(read()["ahead_seconds"], 3 * DAY);
        let audited = "SELECT COUNT(*) FROM audit WHERE action = 'clock.advanced' AND actor_kind = 'staff' \
                       AND detail LIKE '%\"before\":0%' AND detail LIKE '%\"after\":259200%'";
        assert_eq!(site.number(audited), 1);
    });
}

#[test]
fn a_service_without_a_test_clock_has_no_such_object() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        for request in [server.get(PATH), server.post(PATH).json(&json!({"advance_seconds": 5}))] {
            assert_eq!(code(&request.bearer(&staff).send()), (404, "not_found".into()));
        }
        assert_eq!(site.number("SELECT ahead_us FROM test_clock"), 0);
        let elsewhere = [
            ("IGNY8_CORE__TEST_CLOCK__ENABLED", "true"),
            ("IGNY8_CORE__LISTEN__PUBLIC", "0.0.0.0:1"),
        ];
        let refused = site.command(&["serve"]).envs(elsewhere).output().unwrap();
        assert_eq!(refused.status.code(), Some(3), "only on loopback");
    });
}

fn standing(server: &Server, member: &Member) -> Response {
    server.get("/api/v1/auth/me/").bearer(&member.access).send()
}

#[test]
fn tokens_keys_and_sign_ins_go_by_the_machines_time() {
    on_both(|site| {
        let server = site.serve_with(&[ON]);
        let (staff, before) = (staff(&site, &server), server.sign_up());
        let keys = || {
            igny8_testkit::http::get(&server.internal, "/.well-known/jwks.json")
                .send()
                .text()
        };
        let published = keys();
        advance(&server, &staff, 400 * DAY);
        assert_eq!(standing(&server, &before).status, 200, "a token lives on");
        let after = server.sign_up();
        assert_eq!(
            standing(&server, &after).status,
            200,
            "a new one is not from the future"
        );
        assert_eq!(server.login(&after.email, PASSWORD).status, 200);
        assert_eq!(keys(), published);
        let newest = site.number("SELECT MAX(created_at_us) FROM sign_in");
        let created = instant(&after.data["account"]["created_at"]);
        assert!(
            created.0 - newest > 399 * DAY * 1_000_000,
            "the account is of the service's time"
        );
        let left = server.post("/api/v1/auth/logout/").bearer(&after.access).send();
        assert_eq!(left.status, 204);
        assert_eq!(standing(&server, &after).code(), "token_revoked");
    });
}

#[test]
fn the_time_outlives_the_core() {
    on_both(|site| {
        let staff = {
            let server = site.serve_with(&[ON]);
            let staff = staff(&site, &server);
            advance(&server, &staff, 10 * DAY);
            staff
        };
        let server = site.serve_with(&[ON]);
        let read = server.get(PATH).bearer(&staff).send();
        assert_eq!(read.json()["data"]["ahead_seconds"], 10 * DAY);
        let member = server.sign_up();
        let trial = &member.data["subscription"]["current_period_start"];
        let machine = instant(&read.json()["data"]["machine_now"]);
        assert!(instant(trial).0 - machine.0 > 9 * DAY * 1_000_000, "{trial}");
    });
}

#[test]
fn every_process_follows_the_clock() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let others = [(), ()].map(|()| Site::at("postgres", site.url.clone()));
    let server = site.serve_with(&[ON]);
    let worker = others[0].serve_with(&[ON]);
    let idle = others[1].serve_with(&[ON, ("IGNY8_CORE__WORKER__ENABLED", "false")]);
    let staff = staff(&site, &server);
    let now = advance(&server, &staff, 50 * DAY);
    for other in [&worker, &idle] {
        wait_until("the other core to follow", Duration::from_secs(20), || {
            let begun = instant(&other.sign_up().data["account"]["created_at"]);
            (begun >= now).then_some(())
        });
    }
}
