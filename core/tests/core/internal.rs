//! The internal listener: what proxies ask.

use super::site::{Server, Site, on_both};
use aws_lc_rs::digest::{SHA256, digest};
use igny8_contract::time::{Clock, SystemClock};
use igny8_testkit::http::{get, post};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Puts a session of the panel into the database, as its sign-in would.
fn begin_session(site: &Site, session: &str, user_id: i64, expires_at_us: i64) {
    let hash = digest(&SHA256, session.as_bytes())
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
    let hash = if site.engine == "sqlite" {
        format!("x'{hash}'")
    } else {
        format!("'\\x{hash}'::bytea")
    };
    site.sql(&format!(
        "INSERT INTO admin_session (token_hash, user_id, created_at_us, expires_at_us) \
         VALUES ({hash}, {user_id}, 0, {expires_at_us})"
    ))
    .unwrap();
}

fn look_up(server: &Server, session: &str) -> Value {
    let answer = server.ask("/internal/v1/sessions/lookup", &json!({"session": session}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn make_staff(site: &Site) {
    let mut command = site.command(&[
        "staff",
        "create",
        "--email",
        "root@example.com",
        "--platform-role",
        "admin",
        "--superuser",
    ]);
    command.env("IGNY8_STAFF_PASSWORD", "gazette-93-tannin");
    igny8_testkit::process::run(&mut command);
}

#[test]
fn everything_but_the_key_set_needs_the_internal_token() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    let server = site.serve();
    let wrong = format!("{}x", server.token);
    for (method, path) in [
        ("POST", "/internal/v1/sessions/lookup"),
        ("POST", "/internal/v1/sessions/revoke"),
        ("POST", "/internal/v1/standing"),
        ("POST", "/internal/v1/keys/resolve"),
        ("GET", "/internal/v1/snapshot"),
        ("GET", "/internal/v1/changes?after=0"),
        ("GET", "/internal/v1/health"),
        ("GET", "/metrics"),
    ] {
        let ask = || igny8_testkit::http::request(&server.internal, method, path);
        assert_eq!(ask().send().code(), "credentials_required", "{path}");
        assert_eq!(ask().bearer(&wrong).send().code(), "token_invalid", "{path}");
        assert_eq!(
            ask().field("Authorization", "Basic eDp5").send().code(),
            "token_invalid",
            "{path}"
        );
    }
    assert_eq!(get(&server.internal, "/.well-known/jwks.json").send().status, 200);
    let health = get(&server.internal, "/internal/v1/health")
        .bearer(&server.token)
        .send();
    assert_eq!(health.status, 200);
}

#[test]
fn a_session_of_the_panel_is_looked_up_and_ended_at_its_source() {
    on_both(|site| {
        make_staff(&site);
        let server = site.serve();
        server.sign_up();
        begin_session(&site, "staff-session", 1, i64::MAX);
        begin_session(&site, "owner-session", 2, i64::MAX);
        // Over, and not for so long that it would be swept away meanwhile.
        begin_session(&site, "old-session", 1, SystemClock::new().now().0 - 1);
        let facts = look_up(&server, "staff-session");
        let expected =
            json!({"authenticated": true, "is_staff": true, "is_superuser": true, "user_id": 1, "account_id": 1});
        assert_eq!(facts, expected);
        let owner = look_up(&server, "owner-session");
        assert_eq!(
            (&owner["is_staff"], &owner["is_superuser"], &owner["user_id"]),
            (&json!(false), &json!(false), &json!(2))
        );
        for nobody in ["old-session", "unknown", ""] {
            assert_eq!(look_up(&server, nobody)["authenticated"], false, "{nobody}");
        }
        for session in ["staff-session", "staff-session", "unknown"] {
            assert_eq!(
                server
                    .ask("/internal/v1/sessions/revoke", &json!({"session": session}))
                    .status,
                204
            );
        }
        assert_eq!(look_up(&server, "staff-session")["authenticated"], false);
        assert_eq!(look_up(&server, "owner-session")["authenticated"], true);
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'session.revoked'"),
            1
        );
        assert_eq!(
            site.number("SELECT COUNT(*) FROM admin_session WHERE ended_at_us IS NULL"),
            2
        );
        site.sql("UPDATE users SET is_active = 0 WHERE id = 2").unwrap();
        assert_eq!(look_up(&server, "owner-session")["authenticated"], false);
    });
}

#[test]
fn the_standing_of_account_user_and_sign_in_is_told() {
    on_both(|site| {
        let server = site.serve();
        let (one, other) = (server.sign_up(), server.sign_up());
        let sid = site.rows("SELECT sid FROM sign_in ORDER BY id", |row| {
            sqlx::Row::get::<String, _>(row, 0)
        });
        let ask = |account: &Value, user: &Value, sid: &str| {
            server
                .ask(
                    "/internal/v1/standing",
                    &json!({"account_id": account, "user_id": user, "sid": sid}),
                )
                .json()
        };
        let (account, user) = (&one.data["account"]["id"], &one.data["user"]["id"]);
        let facts = ask(account, user, &sid[0]);
        assert_eq!(facts["account"]["status"], "trial");
        assert_eq!(facts["account"]["plan"], "free-trial");
        assert_eq!(
            facts["account"]["period_end_us"],
            site.number("SELECT MIN(end_us) FROM subscription_period")
        );
        assert_eq!(
            facts["user"],
            json!({"is_active": true, "role": "owner", "platform_role": null, "user_epoch": 0})
        );
        assert_eq!(facts["sid_active"], true);
        assert_eq!(
            ask(account, user, &sid[1])["sid_active"],
            false,
            "somebody else's sign-in"
        );
        assert_eq!(ask(account, user, "unknown")["sid_active"], false);
        let mixed = ask(account, &other.data["user"]["id"], &sid[1]);
        assert_eq!(
            (&mixed["user"], &mixed["sid_active"]),
            (&json!(null), &json!(false)),
            "a user of another account"
        );
        let unknown = ask(&json!(999), user, &sid[0]);
        assert_eq!((&unknown["account"], &unknown["user"]), (&json!(null), &json!(null)));
    });
}

#[test]
fn a_new_key_is_published_before_it_signs_and_without_a_restart() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    let kids = || {
        let keys = get(&server.internal, "/.well-known/jwks.json").send().json();
        keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = kids();
    assert_eq!(first.len(), 1);
    site.must(&["keys", "rotate"]);
    server.child.signal("HUP");
    let both = wait_until("the new key to be published", Duration::from_secs(10), || {
        Some(kids()).filter(|kids| kids.len() == 2)
    });
    assert_eq!(both[0], first[0]);
    let list: Value = serde_json::from_str(&site.must(&["keys", "list", "--json"])).unwrap();
    assert_eq!(
        (&list[0]["use"], &list[1]["use"]),
        (&json!("signing"), &json!("coming"))
    );
    let member = server.sign_up();
    assert_eq!(server.get("/api/v1/auth/me/").bearer(&member.access).send().status, 200);
    for entry in std::fs::read_dir(site.folder.path().join("keys")).unwrap() {
        let mode = std::os::unix::fs::PermissionsExt::mode(&entry.unwrap().metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn metrics_count_requests_by_route_and_never_by_what_a_client_made_up() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    server.sign_up();
    assert_eq!(server.get("/api/v1/made-up-by-a-client/").send().status, 404);
    let metrics = get(&server.internal, "/metrics").bearer(&server.token).send().text();
    assert!(metrics.contains("igny8_core_signups_total 1"), "{metrics}");
    assert!(metrics.contains("route=\"/api/v1/auth/register/\""), "{metrics}");
    assert!(metrics.contains("igny8_core_request_seconds_bucket"), "{metrics}");
    assert!(!metrics.contains("made-up"), "{metrics}");
    assert_eq!(
        post(&server.internal, "/metrics").bearer(&server.token).send().status,
        405
    );
}
