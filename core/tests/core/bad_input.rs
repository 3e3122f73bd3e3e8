//! Whatever is sent to whatever route: a refusal with a code, and nothing written.

use super::site::{Server, Site, on_both};
use igny8_testkit::http::{Request, post};
use igny8_testkit::raw::Response;
use serde_json::json;
use std::time::Duration;

const JSON: &str = "application/json";

/// What no route takes, by name.
fn bad_bodies() -> Vec<(&'static str, &'static str, Vec<u8>, &'static [u16])> {
    let huge = format!("{{\"email\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    vec![
        (
            "an unknown field",
            JSON,
            br#"{"email":"a@b.de","password":"plover-tannin-93","colour":1}"#.to_vec(),
            &[422],
        ),
        (
            "a wrong type",
            JSON,
            br#"{"email":5,"password":["x"],"session":{},"account_id":"1"}"#.to_vec(),
            &[422],
        ),
        ("no object", JSON, b"[1, 2]".to_vec(), &[422]),
        (
            "a field twice",
            JSON,
            br#"{"email":"a@b.de","email":"c@d.de"}"#.to_vec(),
            &[422],
        ),
        ("broken JSON", JSON, br#"{"email": "#.to_vec(), &[400]),
        ("no UTF-8", JSON, b"{\"email\":\"\xff\xfe\"}".to_vec(), &[400]),
        (
            "NUL in a name",
            JSON,
            br#"{"first_name":"a\u0000b","email":"a@b.de","password":"plover-tannin-93"}"#.to_vec(),
            &[422],
        ),
        ("10 MB", JSON, huge.into_bytes(), &[413]),
        (
            "a form",
            "application/x-www-form-urlencoded",
            b"email=a@b.de".to_vec(),
            &[415],
        ),
    ]
}

/// Every route of the description: a new one cannot be forgotten here.
fn routes() -> Vec<(String, String)> {
    let description = igny8_core::http::routes::public().into_openapi();
    let description = serde_json::to_value(&description).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let mut routes = Vec::new();
    for (path, methods) in paths {
        routes.extend(
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(|method| (method.to_uppercase(), numbered(path))),
        );
    }
    assert!(routes.len() >= 9, "{routes:?}");
    routes
}

/// A path with a number wherever it wants one.
fn numbered(path: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "1" } else { segment }.to_owned();
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn assert_refused(answer: &Response, statuses: &[u16], what: &str) {
    assert!(
        statuses.contains(&answer.status),
        "{what}: {} {}",
        answer.status,
        answer.text()
    );
    let body = answer.json();
    assert_eq!(body["success"], false, "{what}");
    assert!(!body["code"].as_str().unwrap().is_empty(), "{what}");
    assert_eq!(body["request_id"].as_str(), answer.field("x-request-id"), "{what}");
}

fn patient(request: Request, kind: &str, body: Vec<u8>) -> Response {
    request.body(kind, body).patience(Duration::from_secs(30)).send()
}

#[test]
fn every_public_route_refuses_bad_bodies_and_writes_nothing() {
    on_both(|site| {
        let server = site.serve();
        let (member, staff) = (server.sign_up(), super::site::staff(&site, &server));
        let before = site.counts();
        for (method, path) in routes() {
            let of_staff = ["/api/v1/billing/", "/api/v1/staff/", "/api/v1/auth/totp/"]
                .iter()
                .any(|area| path.starts_with(area));
            let access = if of_staff { &staff } else { &member.access };
            // Not there before a secret of Stripe's is; what is sent to it then is judged by `stripe`.
            let not_there = path.ends_with("/webhooks/stripe/");
            for (what, kind, body, statuses) in bad_bodies() {
                let statuses = if not_there { &[404, 413] } else { statuses };
                let answer = patient(server.request(&method, &path).bearer(access), kind, body);
                assert_refused(&answer, statuses, &format!("{method} {path}: {what}"));
            }
        }
        assert_eq!(site.counts(), before, "{}", site.engine);
    });
}

#[test]
fn every_internal_route_refuses_bad_bodies() {
    let (site, server) = small();
    let before = site.counts();
    for path in [
        "/internal/v1/sessions/lookup",
        "/internal/v1/sessions/revoke",
        "/internal/v1/standing",
        "/internal/v1/keys/resolve",
    ] {
        for (what, kind, body, statuses) in bad_bodies() {
            let answer = patient(post(&server.internal, path).bearer(&server.token), kind, body);
            assert_refused(&answer, statuses, &format!("{path}: {what}"));
        }
    }
    assert_eq!(site.counts(), before);
}

fn small() -> (Site, Server) {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    (site, server)
}

#[test]
fn every_field_that_is_wrong_is_named() {
    let (site, server) = small();
    let long = "x".repeat(101);
    for (body, fields) in [
        (json!({}), vec!["email", "password"]),
        (json!({"email": "", "password": ""}), vec!["email", "password"]),
        (
            json!({"email": "nobody", "password": "plover-tannin-93"}),
            vec!["email"],
        ),
        (
            json!({"email": "ä@example.com", "password": "plover-tannin-93"}),
            vec!["email"],
        ),
        (
            json!({"email": null, "password": 5, "a": 1}),
            vec!["a", "email", "password"],
        ),
        (
            json!({"email": "a@b.de", "password": "plover-tannin-93", "first_name": long}),
            vec!["first_name"],
        ),
        (
            json!({"email": "a@b.de", "password": "plover-tannin-93", "refresh_delivery": "carrier pigeon"}),
            vec!["refresh_delivery"],
        ),
    ] {
        let answer = server.register(&body);
        assert_refused(&answer, &[422], &body.to_string());
        let named = answer.json();
        assert_eq!(
            named["fields"].as_object().unwrap().keys().collect::<Vec<_>>(),
            fields,
            "{body}"
        );
    }
    assert_eq!(site.people(), 0);
}

#[test]
fn unknown_paths_and_methods_are_refused_as_json() {
    let (_site, server) = small();
    for path in [
        "/",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/auth/nothing/",
        "/internal/v1/health",
        "/metrics",
        "/api/v1/plans/1",
    ] {
        assert_refused(&server.get(path).send(), &[404], path);
    }
    let answer = server.request("DELETE", "/api/v1/auth/login/").send();
    assert_refused(&answer, &[405], "DELETE");
    assert_eq!(answer.field("allow"), Some("POST"));
}

#[test]
fn a_trailing_slash_is_optional_and_a_request_id_is_taken_over() {
    let (_site, server) = small();
    for path in ["/api/v1/plans", "/api/v1/plans/"] {
        let answer = server.get(path).field("X-Request-Id", "edge-7").send();
        assert_eq!(
            (answer.status, answer.field("x-request-id")),
            (200, Some("edge-7")),
            "{path}"
        );
        assert_eq!(answer.json()["data"]["items"].as_array().unwrap().len(), 6);
    }
    let made = server.get("/api/v1/plans").field("X-Request-Id", "a b").send();
    assert_eq!(made.field("x-request-id").map(str::len), Some(32));
}

#[test]
fn pages_of_the_ledger_are_walked_by_cursor_and_bad_queries_are_refused() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        for sequence in 2..=7 {
            let balance = 2000 - (sequence - 1);
            site.sql(&format!(
                "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, \
                 metadata, created_at_us) VALUES (1, {sequence}, 'consumption', -1, {balance}, 'x', '{{}}', 0)"
            ))
            .unwrap();
        }
        site.sql("UPDATE credit_bucket SET remaining = 1994").unwrap();
        let page = |query: &str| {
            server
                .get(&format!("/api/v1/credits/transactions/{query}"))
                .bearer(&member.access)
                .send()
        };
        let (mut seen, mut query) = (Vec::new(), "?limit=3".to_owned());
        loop {
            let data = page(&query).json()["data"].clone();
            seen.extend(
                data["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["balance_after"].as_i64().unwrap()),
            );
            let Some(next) = data["next"].as_str() else { break };
            query = format!("?limit=3&cursor={next}");
        }
        assert_eq!(seen, [1994, 1995, 1996, 1997, 1998, 1999, 2000]);
        for query in [
            "?limit=0",
            "?limit=x",
            "?cursor=zz",
            "?page=2",
            "?limit=1&limit=2",
            "?cursor=%FF",
        ] {
            assert_refused(&page(query), &[422], query);
        }
        site.is_healthy();
    });
}
