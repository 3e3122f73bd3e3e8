//! Who may tell the core of payments, and what it takes for an event.

use super::{
    PATH, Payer, SECRET, SECRET_FILE, fixture, machine_seconds, outcome, send, send_bytes, serve, signature, told,
    write_secrets,
};
use crate::site::{Site, on_both};
use igny8_testkit::http::Request;
use igny8_testkit::postgres::Postgres;
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn what_does_not_concern_us_is_taken_and_changes_nothing() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        let others = || {
            let counts = site.counts().into_iter();
            counts.filter(|(table, _)| *table != "stripe_event").collect::<Vec<_>>()
        };
        let before = (payer.state(&site), others());
        for (event, expected) in [
            (fixture("charge_succeeded"), "ignored"),
            (fixture("customer_subscription_updated_renewal"), "ignored"),
            (fixture("checkout_session_completed"), "unknown_reference"),
            (json!({"id": "evt_thin", "type": "v2.core.account.updated"}), "ignored"),
            (
                json!({"id": "evt_odd", "type": "foo.bar", "created": "now", "data": []}),
                "ignored",
            ),
        ] {
            assert_eq!(told(&server, &event), expected);
            assert_eq!(told(&server, &event), expected, "again");
        }
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 5);
        // Of the people who paid neither addresses nor cards are kept.
        let kept = "SELECT COUNT(*) FROM stripe_event WHERE facts LIKE '%@%' OR facts LIKE '%Square%'";
        assert_eq!(site.number(kept), 0);
        // A subscription that is named is noted, and nothing of it is known.
        site.sql("DELETE FROM stripe_event WHERE event_type = 'checkout.session.completed'")
            .unwrap();
        assert_eq!(
            site.sql("DELETE FROM stripe_subscription WHERE account_id IS NULL"),
            Ok(1)
        );
        assert_eq!((payer.state(&site), others()), before);
    });
}

#[test]
fn what_stripe_has_not_signed_now_is_refused_and_not_stored() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        let body = payer.checkout().to_string().into_bytes();
        let now = machine_seconds();
        let good = signature(SECRET, now, &body);
        let changed = [body.as_slice(), b" "].concat();
        for (what, fields, body) in [
            ("no signature", vec![], &body),
            (
                "another secret",
                vec![signature("whsec_another_secret_0001", now, &body)],
                &body,
            ),
            ("another body", vec![good.clone()], &changed),
            ("too old", vec![signature(SECRET, now - 400, &body)], &body),
            ("too far ahead", vec![signature(SECRET, now + 400, &body)], &body),
            ("of test mode alone", vec![good.replace("v1=", "v0=")], &body),
            ("twice", vec![good.clone(), good.clone()], &body),
        ] {
            let with_field = |request: Request, field: &String| request.field("Stripe-Signature", field);
            let request = fields.iter().fold(server.post(PATH), with_field);
            let answer = request.body("application/json", body.clone()).send();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "webhook_signature_invalid"),
                "{what}"
            );
        }
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 0);
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_subscription"), 0);
        let answer = server
            .post(PATH)
            .field("Stripe-Signature", &good)
            .body("application/json", body)
            .send();
        assert_eq!(outcome(&answer), "applied");
    });
}

#[test]
fn what_is_signed_but_is_no_event_is_malformed() {
    on_both(|site| {
        let server = serve(&site);
        for body in [
            &b"{"[..],
            b"",
            b"[]",
            b"\xff",
            b"{\"id\":\"evt_1\",\"type\":\"invoice.paid\"}",
        ] {
            let answer = send_bytes(&server, SECRET, body.to_vec());
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "malformed_body"),
                "{body:?}"
            );
        }
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 0);
    });
}

#[test]
fn an_event_may_be_longer_than_other_bodies_but_not_without_bound() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    let server = serve(&site);
    for (bytes, status) in [(200 * 1024, 200), (256 * 1024, 200), (256 * 1024 + 1, 413)] {
        let mut event = json!({"id": format!("evt_{bytes}"), "type": "invoice.created", "x": ""});
        let fill = bytes - event.to_string().len();
        event["x"] = json!("x".repeat(fill));
        let answer = send(&server, &event);
        assert_eq!(answer.status, status, "{bytes}: {}", answer.text());
    }
}

#[test]
fn where_stripe_is_not_used_there_is_no_such_route() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    let server = site.serve();
    let answer = send(&server, &fixture("charge_succeeded"));
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 0);
}

#[test]
fn secrets_are_several_are_read_again_on_sighup_and_are_nobody_elses() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    let next = "whsec_the_next_secret_0001";
    let file = write_secrets(&site, &format!("{SECRET}\n{next}\n"));
    let server = site.serve_with(&[(SECRET_FILE, &file)]);
    let is_taken = |secret: &str| {
        let answer = send_bytes(&server, secret, fixture("charge_succeeded").to_string().into_bytes());
        assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
        answer.status == 200
    };
    assert!(is_taken(SECRET) && is_taken(next));
    write_secrets(&site, next);
    assert!(is_taken(SECRET), "until it is told to read them again");
    server.child.signal("HUP");
    wait_until("the old secret to count for nothing", Duration::from_secs(20), || {
        (!is_taken(SECRET)).then_some(())
    });
    assert!(is_taken(next));
    // A file that cannot be used changes nothing.
    write_secrets(&site, "");
    server.child.signal("HUP");
    wait_until("the fault to be logged", Duration::from_secs(20), || {
        server.child.log().contains("could not be read again").then_some(())
    });
    assert!(is_taken(next));
    assert!(!server.child.log().contains("whsec"), "no secret is ever logged");
    drop(server);

    write_secrets(&site, SECRET);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = site.command(&["serve"]).env(SECRET_FILE, &file).output().unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains(&file) && said.contains("chmod 600"), "{said}");
}

#[test]
fn without_its_database_the_core_asks_stripe_to_send_again() {
    let postgres = Postgres::start();
    let site = Site::at("postgres", postgres.create_database("gone"));
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = serve(&site);
    let payer = Payer::new(&server);
    drop(postgres);
    let answer = send(&server, &payer.checkout());
    assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"));
}
