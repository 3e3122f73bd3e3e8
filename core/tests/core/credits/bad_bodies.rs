//! Bodies that are not valid: every field that is wrong is named, and nothing is written.

use super::{Asker, CONSUME, HOLDS, MOST, assert_refused};
use crate::site::on_both;
use serde_json::{Value, json};

/// Bodies that are refused, each with the fields at fault.
fn bad_bodies() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    const CONFIRM: &str = "/api/v1/credits/holds/1/confirm/";
    // An otherwise good body with something else in it.
    let with = |name: &str, value: Value| {
        let mut body = json!({"amount": 1, "description": "x"});
        body[name] = value;
        body
    };
    let mut cases = vec![
        (CONSUME, json!({}), vec!["amount", "description"]),
        (HOLDS, json!({}), vec!["amount", "description"]),
        (CONFIRM, json!({"amount": 0}), vec!["amount"]),
        (CONFIRM, json!({"part": 1}), vec!["part"]),
        ("/api/v1/credits/holds/1/release/", json!({"amount": 1}), vec!["amount"]),
    ];
    for (name, value) in [
        ("amount", json!(0)),
        ("amount", json!(-1)),
        ("amount", json!(1.5)),
        ("amount", json!("1")),
        ("amount", json!(MOST + 1)),
        ("amount", json!(1e30)),
        ("description", json!("")),
        ("description", json!("x".repeat(501))),
        ("description", json!("a\u{0}b")),
        ("metadata", json!([1])),
        ("metadata", json!({"a": "x".repeat(4096)})),
        ("metadata", json!({"a": "\u{0}"})),
        ("account_id", json!(1)),
    ] {
        cases.push((CONSUME, with(name, value.clone()), vec![name]));
        cases.push((HOLDS, with(name, value), vec![name]));
    }
    for seconds in [0, -1, 2_592_001] {
        cases.push((
            HOLDS,
            with("expires_in_seconds", json!(seconds)),
            vec!["expires_in_seconds"],
        ));
    }
    cases
}

#[test]
fn every_field_that_is_wrong_is_named_and_nothing_is_written() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        asker.hold(10);
        let before = site.counts();
        for (path, body, fields) in bad_bodies() {
            let answer = asker.post(path, &body);
            assert_refused(&answer, 422, "validation_failed");
            let named = answer.json()["fields"].clone();
            let named: Vec<_> = named.as_object().unwrap().keys().collect();
            assert_eq!(named, fields, "{path} {body}");
        }
        for (query, field) in [
            ("holds/?status=gone", "status"),
            ("holds/?status=open&status=open", "status"),
            ("holds/?limit=0", "limit"),
            ("holds/?from=2026-01-01", "from"),
            ("usage/?from=2026-02-30", "from"),
            ("usage/?to=today", "to"),
            ("usage/?from=2026-01-02&to=2026-01-01", "from"),
            ("usage/?from=2025-01-01&to=2026-01-02", "from"),
            ("usage/?limit=5", "limit"),
        ] {
            let answer = asker.get(&format!("/api/v1/credits/{query}"));
            assert_refused(&answer, 422, "validation_failed");
            assert!(answer.json()["fields"][field].is_string(), "{query}: {}", answer.text());
        }
        assert_eq!(site.counts(), before);
        assert_eq!(asker.credits(), [2000, 10, 1990]);
        let answer = asker.post(CONSUME, &json!({"amount": MOST, "description": "ä".repeat(500)}));
        assert_refused(&answer, 402, "insufficient_credits");
    });
}
