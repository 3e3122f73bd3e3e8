//! How the core begins, drains and does without its database.

use super::site::{PASSWORD, Site, new_email, on_both};
use igny8_testkit::http::get;
use igny8_testkit::postgres::Postgres;
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

#[test]
fn asked_to_stop_the_core_finishes_what_is_under_way() {
    on_both(|site| {
        // A costly password keeps the sign-up under way while the signal comes.
        let slow = [
            ("IGNY8_CORE__PASSWORDS__MEMORY_KIB", "65536"),
            ("IGNY8_CORE__PASSWORDS__ITERATIONS", "12"),
        ];
        let mut server = site.serve_with(&slow);
        let under_way = |server: &super::site::Server| {
            let metrics = get(&server.internal, "/metrics").bearer(&server.token).send().text();
            metrics.contains("igny8_core_stories_under_way 1").then_some(())
        };
        std::thread::scope(|scope| {
            let answer = scope.spawn(|| server.register(&json!({"email": new_email(), "password": PASSWORD})));
            wait_until("the sign-up to be under way", Duration::from_secs(20), || {
                under_way(&server)
            });
            server.child.signal("TERM");
            assert_eq!(answer.join().unwrap().status, 201);
        });
        let ended = wait_until("the core to end", Duration::from_secs(20), || server.child.ended());
        assert!(ended.success(), "{ended}");
        assert_eq!(site.number("SELECT COUNT(*) FROM account"), 1);
        site.is_healthy();
    });
}

#[test]
fn an_emergency_flag_that_is_off_is_loud_in_the_log_and_a_gauge() {
    let flags = [
        ("TENANCY_ENABLE_FREE_TRIAL", "enable_free_trial"),
        ("TENANCY_VALIDATE_API_KEY", "validate_api_key"),
        ("TENANCY_STRICT_JWT_ONLY", "strict_jwt_only"),
    ];
    for (variable, off) in flags {
        let site = Site::sqlite();
        site.must(&["migrate", "up"]);
        let server = site.serve_with(&[(variable, "false")]);
        let metrics = get(&server.internal, "/metrics").bearer(&server.token).send().text();
        for (_, flag) in flags {
            let line = format!("igny8_core_flag{{flag=\"{flag}\"}} {}", u8::from(flag != off));
            assert!(metrics.contains(&line), "{line}: {metrics}");
        }
        let log = std::fs::read_to_string(site.folder.path().join("core.log")).unwrap();
        let loud: Vec<&str> = log.lines().filter(|line| line.contains("EMERGENCY FLAG")).collect();
        assert_eq!(loud.len(), 1, "{log}");
        assert!(loud[0].contains(off) && loud[0].contains("WARN"), "{log}");
    }
}

#[test]
fn one_sqlite_file_is_served_by_one_core() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    let _server = site.serve();
    for arguments in [&["serve"][..], &["migrate", "up"]] {
        let second = site.run(arguments);
        assert_eq!(second.status.code(), Some(4), "{arguments:?}");
        assert!(
            String::from_utf8_lossy(&second.stderr).contains("in use"),
            "{arguments:?}"
        );
    }
}

#[test]
fn two_cores_share_one_postgresql() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let other = Site::at("postgres", site.url.clone());
    let (one, two) = (site.serve(), other.serve());
    std::thread::scope(|scope| {
        for server in [&one, &two, &one, &two] {
            scope.spawn(move || (0..5).for_each(|_| drop(server.sign_up())));
            scope.spawn(move || {
                let answer = server.register(&json!({"email": "shared@example.com", "password": PASSWORD}));
                assert!(matches!(answer.status, 201 | 409), "{}", answer.text());
            });
        }
    });
    assert_eq!(site.number("SELECT COUNT(*) FROM account"), 21);
    site.is_healthy();
}

#[test]
fn the_core_can_migrate_by_itself_where_it_is_told_to() {
    for site in [Site::sqlite(), Site::postgres()] {
        let server = site.serve_with(&[("IGNY8_CORE__DATABASE__MIGRATE_ON_START", "true")]);
        assert_eq!(server.get("/api/v1/plans/").send().json()["data"]["items"], json!([]));
        let refused = server.register(&json!({"email": new_email(), "password": PASSWORD}));
        assert_eq!((refused.status, refused.code().as_str()), (503, "plan_unavailable"));
    }
}

#[test]
fn without_its_database_the_core_says_so_and_nothing_is_half_done() {
    let postgres = Postgres::start();
    let site = Site::at("postgres", postgres.create_database("gone"));
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    let member = server.sign_up();
    drop(postgres);
    let register = server.register(&json!({"email": new_email(), "password": PASSWORD}));
    let me = server.get("/api/v1/auth/me/").bearer(&member.access).send();
    let logout = server.post("/api/v1/auth/logout/").bearer(&member.access).send();
    let health = get(&server.internal, "/internal/v1/health")
        .bearer(&server.token)
        .send();
    for (what, answer) in [
        ("register", register),
        ("me", me),
        ("logout", logout),
        ("health", health),
    ] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "storage_unavailable"),
            "{what}"
        );
    }
    assert_eq!(get(&server.internal, "/.well-known/jwks.json").send().status, 200);
}
