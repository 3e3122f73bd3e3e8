//! Bad input for every route of the core, through the proxy: a 4xx with a code, and nothing written.
//!
//! The routes are those of the committed OpenAPI document, so that a new one is tested from its first day.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::process::{repository, run};
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{Member, PASSWORD, Stack};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// One operation of the core's public API.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    takes_body: bool,
    /// Nothing at all will do, too.
    may_be_empty: bool,
}

fn stack() -> &'static (Stack, Member) {
    static STACK: OnceLock<(Stack, Member)> = OnceLock::new();
    STACK.get_or_init(|| {
        let stack = Stack::builder().start();
        let member = stack.sign_up();
        (stack, member)
    })
}

fn operations() -> Vec<Operation> {
    let text = std::fs::read_to_string(repository().join("core/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete") && path.starts_with("/api/v1/") {
                let path = path.replace(['{', '}'], "");
                found.push(Operation {
                    method: method.to_uppercase(),
                    path,
                    takes_body: operation["requestBody"].is_object(),
                    may_be_empty: operation["requestBody"]["required"] != true,
                });
            }
        }
    }
    assert!(found.len() >= 9, "the document names only {found:?}");
    assert!(found.iter().any(|operation| operation.takes_body));
    found
}

/// Every row of every table of the core's database, as text.
fn everything_written() -> String {
    let script = "import sqlite3, sys\n\
                  database = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)\n\
                  for (table,) in database.execute(\"SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sign_in_budget' ORDER BY name\").fetchall():\n    \
                      print(table, database.execute(f'SELECT * FROM \"{table}\"').fetchall())\n";
    run(Command::new("python3")
        .args(["-c", script])
        .arg(stack().0.var.join("db/core.sqlite3")))
}

/// Sends this body where bodies are taken, with a token where one is needed.
fn send(operation: &Operation, content_type: &str, body: Vec<u8>) -> Response {
    let (stack, member) = stack();
    let mut request = stack
        .request(&operation.method, &operation.path)
        .patience(Duration::from_secs(20));
    if !is_public(&operation.path) {
        request = request.bearer(&member.access);
    }
    request.body(content_type, body).send()
}

/// Reached without a token; a token is not sent on there at all.
fn is_public(path: &str) -> bool {
    let with_token = ["me", "sessions", "change-password", "verify-email/resend", "totp"];
    let rest = path.strip_prefix("/api/v1/auth/");
    path.starts_with("/api/v1/plans") || rest.is_some_and(|rest| with_token.iter().all(|area| !rest.starts_with(area)))
}

#[track_caller]
fn assert_refused(operation: &Operation, case: &str, answer: &Response) {
    let told = format!(
        "{} {} with {case}: {} {}",
        operation.method,
        operation.path,
        answer.status,
        answer.text()
    );
    assert!((400..500).contains(&answer.status), "{told}");
    assert!(!answer.code().is_empty(), "no code: {told}");
    assert_eq!(answer.json()["success"], false, "{told}");
    assert!(
        answer.json()["request_id"].as_str().is_some_and(|id| !id.is_empty()),
        "{told}"
    );
}

/// A body that the route would take, as far as types go; good enough to be spoilt in one place.
fn plausible() -> Value {
    json!({"email": "spoilt@example.com", "password": PASSWORD})
}

/// Refuses each of these bodies, but for an empty one where none is needed.
fn refuses_each(operation: &Operation, cases: &[(&str, &str, Vec<u8>)]) {
    let bad = cases
        .iter()
        .filter(|(_, _, body)| !(operation.may_be_empty && body.is_empty()));
    for (case, content_type, body) in bad {
        assert_refused(operation, case, &send(operation, content_type, body.clone()));
    }
}

#[test]
fn bad_bodies_are_refused_with_a_code_and_nothing_is_written() {
    let operations = operations();
    let before = everything_written();
    let with = |key: &str, value: Value| {
        let mut body = plausible();
        body[key] = value;
        body.to_string().into_bytes()
    };
    let mut not_utf8 = plausible().to_string().into_bytes();
    not_utf8[12] = 0xff;
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        (
            "an unknown field",
            "application/json",
            with("is_superuser", json!(true)),
        ),
        (
            "a field of the wrong type",
            "application/json",
            with("email", json!(17)),
        ),
        (
            "a list for a text",
            "application/json",
            with("password", json!(["a", "b"])),
        ),
        ("a list for the whole", "application/json", b"[1, 2]".to_vec()),
        ("null for the whole", "application/json", b"null".to_vec()),
        ("nothing at all", "application/json", Vec::new()),
        (
            "broken JSON",
            "application/json",
            br#"{"email": "spoilt@example.com", "#.to_vec(),
        ),
        ("two values", "application/json", b"{} {}".to_vec()),
        ("bytes that are not UTF-8", "application/json", not_utf8),
        (
            "a NUL in a text",
            "application/json",
            with("email", json!("a\0b@example.com")),
        ),
        (
            "a form",
            "application/x-www-form-urlencoded",
            b"email=spoilt%40example.com&password=x".to_vec(),
        ),
        (
            "ten megabytes and one byte",
            "application/json",
            vec![b' '; 10 * 1024 * 1024 + 1],
        ),
        (
            "ten megabytes of an unknown field",
            "application/json",
            with("filler", json!("x".repeat(10_000_000))),
        ),
        (
            "deep nesting",
            "application/json",
            [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        ),
    ];
    for operation in operations.iter().filter(|operation| operation.takes_body) {
        refuses_each(operation, &cases);
    }
    assert_eq!(before, everything_written(), "something was written");
}

#[test]
fn a_method_that_a_route_does_not_have_is_refused_with_a_code() {
    let operations = operations();
    let (stack, member) = stack();
    for operation in &operations {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if operations
                .iter()
                .any(|other| other.path == operation.path && other.method == method)
            {
                continue;
            }
            let request = stack.request(method, &operation.path);
            let answer = if is_public(&operation.path) {
                request.send()
            } else {
                request.bearer(&member.access).send()
            };
            assert_eq!(answer.status, 405, "{method} {}: {}", operation.path, answer.text());
            assert_eq!(answer.code(), "method_not_allowed");
        }
    }
}

#[test]
fn a_path_that_core_does_not_have_is_404_with_a_code() {
    let (stack, member) = stack();
    for path in [
        "/api/v1/auth/nothing/",
        "/api/v1/plans/nothing/at/all/",
        "/api/v1/account/nothing/",
        "/api/v1/credits/x/",
    ] {
        let request = stack.get(path);
        let answer = if is_public(path) {
            request.send()
        } else {
            request.bearer(&member.access).send()
        };
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "no_route"),
            "{path}: {}",
            answer.text()
        );
    }
}

#[test]
fn reading_routes_refuse_queries_that_they_do_not_understand() {
    let (stack, member) = stack();
    let before = everything_written();
    for query in [
        "after=x",
        "limit=0",
        "limit=-1",
        "limit=99999999999999999999",
        "unknown=1",
        "after=%ff",
    ] {
        let path = format!("/api/v1/credits/transactions/?{query}");
        let answer = stack.get(&path).bearer(&member.access).send();
        assert!(
            (400..500).contains(&answer.status) && !answer.code().is_empty(),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    assert_eq!(before, everything_written(), "something was written");
}
