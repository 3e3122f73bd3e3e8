//! Stripe's webhooks as Stripe sends them: signed, in any order, again and again, several at once.
//!
//! The events in `stripe/` have the shape that Stripe documents, with names of our own. A [`Payer`] has them told of
//! itself: [`Payer::checkout`] and the others are those events about its own payment and subscription.

use super::site::{Member, Server, Site, on_both};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use igny8_contract::time::{Clock, SystemClock};
use igny8_testkit::postgres::Postgres;
use igny8_testkit::raw::Response;
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PATH: &str = "/api/v1/billing/webhooks/stripe/";
const SECRET: &str = "whsec_J7Xg2Qm4tVb9Kd6RfWn3";
const SECRET_FILE: &str = "IGNY8_CORE__STRIPE__WEBHOOK_SECRET_FILE";

/// When the checkout happened at Stripe.
const BEGIN: i64 = 1_767_225_600;

fn write_secrets(site: &Site, text: &str) -> String {
    let path = site.folder.path().join("stripe_secrets");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// A core that takes Stripe's webhooks.
fn serve(site: &Site) -> Server {
    let file = write_secrets(site, SECRET);
    site.serve_with(&[(SECRET_FILE, &file)])
}

/// The site served by as many processes as its engine takes.
fn serve_widely(site: &Site) -> Vec<(Option<Site>, Server)> {
    let mut all = vec![(None, serve(site))];
    if site.engine == "postgres" {
        let other = Site::at("postgres", site.url.clone());
        let server = serve(&other);
        all.push((Some(other), server));
    }
    all
}

fn machine_seconds() -> i64 {
    SystemClock::new().now().unix_seconds()
}

/// The signature field for a body that is sent at `seconds`.
fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    let tag = sign(&key, &[format!("{seconds}.").as_bytes(), body].concat());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn send_bytes(server: &Server, secret: &str, body: Vec<u8>) -> Response {
    let signature = signature(secret, machine_seconds(), &body);
    let request = server.post(PATH).field("Stripe-Signature", &signature);
    request.body("application/json; charset=utf-8", body).send()
}

fn send(server: &Server, event: &Value) -> Response {
    send_bytes(server, SECRET, event.to_string().into_bytes())
}

#[track_caller]
fn outcome(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"]["outcome"].as_str().unwrap().to_owned()
}

#[track_caller]
fn told(server: &Server, event: &Value) -> String {
    outcome(&send(server, event))
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/core/stripe/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Somebody who has asked for `starter` and pays by Stripe.
struct Payer {
    member: Member,
    account: i64,
    /// In every name at Stripe that belongs to this payer.
    tag: String,
}

impl Payer {
    fn new(site: &Site, server: &Server) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let member = server.sign_up();
        let account = member.data["account"]["id"].as_i64().unwrap();
        let payer = Self {
            member,
            account,
            tag: format!("Payer{:06}", COUNT.fetch_add(1, Ordering::Relaxed)),
        };
        payer.asks_for_starter(site);
        payer
    }

    /// What `account/upgrade/` leaves behind.
    fn asks_for_starter(&self, site: &Site) {
        site.sql(&format!(
            "INSERT INTO payment (account_id, method, status, plan_id, reference, amount_minor, currency, created_at_us) \
             SELECT {}, 'stripe', 'pending', id, 'IG-{}', price_minor, currency, 0 FROM plan WHERE slug = 'starter'",
            self.account, self.tag
        ))
        .unwrap();
    }

    fn name(&self, kind: &str) -> String {
        format!("{kind}_1{}", self.tag)
    }

    /// A fixture, told of this payer, `seconds` after the checkout.
    fn event(&self, fixture_name: &str, seconds: i64, changes: &Value) -> Value {
        let mut event = fixture(fixture_name);
        event["id"] = json!(format!("evt_1{}{fixture_name}{seconds}", self.tag));
        event["created"] = json!(BEGIN + seconds);
        let object = event["data"]["object"].as_object_mut().unwrap();
        object.extend(changes.as_object().unwrap().clone());
        event
    }

    fn checkout(&self) -> Value {
        let changes = json!({
            "client_reference_id": format!("IG-{}", self.tag), "subscription": self.name("sub"), "invoice": self.name("in_a"),
        });
        self.event("checkout_session_completed", 0, &changes)
    }

    fn invoice_event(&self, fixture_name: &str, invoice: &str, seconds: i64) -> Value {
        let changes = json!({
            "id": self.name(invoice), "parent": {"subscription_details": {"subscription": self.name("sub")}},
        });
        self.event(fixture_name, seconds, &changes)
    }

    fn invoice_paid(&self) -> Value {
        self.invoice_event("invoice_paid", "in_a", 1)
    }

    fn invoice_succeeded(&self) -> Value {
        self.invoice_event("invoice_payment_succeeded", "in_a", 1)
    }

    fn second_invoice(&self) -> Value {
        self.invoice_event("invoice_paid", "in_b", 2_592_000)
    }

    fn cancels(&self, cancels: bool, seconds: i64) -> Value {
        let changes = json!({"id": self.name("sub"), "cancel_at_period_end": cancels, "cancel_at": null});
        self.event("customer_subscription_updated", seconds, &changes)
    }

    fn deleted(&self) -> Value {
        self.event(
            "customer_subscription_deleted",
            5_000_000,
            &json!({"id": self.name("sub")}),
        )
    }

    /// Everything that the events lead to, in one line.
    fn state(&self, site: &Site) -> String {
        let count = |of: &str| format!("(SELECT CAST(COUNT(*) AS TEXT) FROM {of} AND account_id = account.id)");
        let columns = [
            "account.status".to_owned(),
            "plan.slug".to_owned(),
            "CAST(account.credits AS TEXT)".to_owned(),
            "subscription.status".to_owned(),
            "subscription.payment_method".to_owned(),
            format!("REPLACE(COALESCE(subscription.external_payment_id, '-'), '{}', '')", self.tag),
            format!("REPLACE(COALESCE(subscription.stripe_subscription_id, '-'), '{}', '')", self.tag),
            "'cancels ' || CAST(subscription.cancel_at_period_end AS TEXT)".to_owned(),
            "'subscriptions ' || CAST(subscription.number AS TEXT)".to_owned(),
            "'periods ' || (SELECT CAST(COUNT(*) AS TEXT) FROM subscription_period WHERE subscription_id = subscription.id)"
                .to_owned(),
            format!("'pending ' || {}", count("payment WHERE status = 'pending'")),
            format!("'payments ' || {}", count("payment WHERE status = 'confirmed'")),
            format!("'receipts ' || {}", count("receipt WHERE number > 0")),
            format!("'grants ' || {}", count("credit_bucket WHERE grant_number IS NOT NULL")),
            format!("'entries ' || {}", count("ledger_entry WHERE sequence > 0")),
            format!("'confirmed ' || {}", count("audit WHERE action = 'payment.confirmed'")),
            format!("'unexpected ' || {}", count("audit WHERE action = 'payment.unexpected'")),
            format!(
                "'waiting ' || (SELECT CAST(COUNT(*) AS TEXT) FROM stripe_event \
                 WHERE status = 'waiting' AND stripe_subscription_id = '{}')",
                self.name("sub")
            ),
        ];
        let sql = format!(
            "SELECT {} FROM account JOIN plan ON plan.id = account.plan_id \
             JOIN subscription ON subscription.account_id = account.id WHERE account.id = {} ORDER BY number DESC LIMIT 1",
            columns.join(" || ', ' || "),
            self.account
        );
        site.rows(&sql, |row| sqlx::Row::get::<String, _>(row, 0)).remove(0)
    }

    fn count(&self, site: &Site, what: &str) -> i64 {
        site.number(&format!(
            "SELECT COUNT(*) FROM {what} AND account_id = {}",
            self.account
        ))
    }
}

/// What one payment makes of an account.
const PAID_ONCE: &str = "active, starter, 5000, active, stripe, in_a_1, sub_1, cancels 0, subscriptions 1, periods 2, \
                         pending 0, payments 1, receipts 1, grants 2, entries 3, confirmed 1, unexpected 0, waiting 0";

/// And a second one.
const PAID_TWICE: &str = "active, starter, 5000, active, stripe, in_b_1, sub_1, cancels 0, subscriptions 1, periods 3, \
                          pending 0, payments 2, receipts 2, grants 3, entries 5, confirmed 2, unexpected 0, waiting 0";

/// Every order of `0..length`.
fn orders(length: usize) -> Vec<Vec<usize>> {
    let Some(last) = length.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(last) {
        for place in 0..=last {
            let mut longer = order.clone();
            longer.insert(place, last);
            all.push(longer);
        }
    }
    all
}

#[test]
fn a_checkout_and_its_first_invoice_are_one_payment_in_either_order() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
        assert_eq!(told(&server, &payer.checkout()), "applied");
        assert_eq!(payer.state(&site), PAID_ONCE);
        assert_eq!(told(&server, &payer.invoice_paid()), "unchanged");
        assert_eq!(payer.state(&site), PAID_ONCE);
        let seen = server
            .get("/api/v1/account/")
            .bearer(&payer.member.access)
            .send()
            .json();
        assert_eq!(seen["data"]["plan"]["slug"], "starter");

        let payer = Payer::new(&site, &server);
        assert_eq!(told(&server, &payer.invoice_paid()), "waiting");
        assert_eq!(payer.count(&site, "payment WHERE status = 'confirmed'"), 0);
        assert_eq!(told(&server, &payer.checkout()), "applied");
        assert_eq!(payer.state(&site), PAID_ONCE);
        assert_eq!(
            told(&server, &payer.invoice_paid()),
            "unchanged",
            "the one that has waited"
        );
        site.is_healthy();
    });
}

#[test]
fn an_invoice_pays_where_its_checkout_could_not_say_that_the_money_had_come() {
    on_both(|site| {
        let server = serve(&site);
        for invoice_first in [false, true] {
            for (member, value) in [("payment_status", json!("unpaid")), ("invoice", Value::Null)] {
                let payer = Payer::new(&site, &server);
                let mut checkout = payer.checkout();
                checkout["data"]["object"][member] = value;
                let invoice = payer.invoice_paid();
                let (first, second) = if invoice_first {
                    (told(&server, &invoice), told(&server, &checkout))
                } else {
                    (told(&server, &checkout), told(&server, &invoice))
                };
                let expected = if invoice_first {
                    ("waiting", "linked")
                } else {
                    ("linked", "applied")
                };
                assert_eq!((first.as_str(), second.as_str()), expected, "{member}");
                assert_eq!(payer.state(&site), PAID_ONCE, "{member}");
                let mut late = payer.checkout();
                late["id"] = json!(format!("evt_late{}", payer.tag));
                late["type"] = json!("checkout.session.async_payment_succeeded");
                assert_eq!(told(&server, &late), "unchanged");
                assert_eq!(payer.state(&site), PAID_ONCE);
            }
        }
        site.is_healthy();
    });
}

#[test]
fn every_order_of_the_events_ends_in_the_same_state() {
    on_both(|site| {
        let server = serve(&site);
        let expected = PAID_ONCE.replace("cancels 0", "cancels 1");
        for order in orders(4) {
            let payer = Payer::new(&site, &server);
            let events = [
                payer.checkout(),
                payer.invoice_paid(),
                payer.invoice_succeeded(),
                payer.cancels(true, 2),
            ];
            for index in &order {
                send(&server, &events[*index]);
            }
            assert_eq!(payer.state(&site), expected, "{order:?} on {}", site.engine);
        }
        for order in orders(4) {
            let payer = Payer::new(&site, &server);
            let events = [
                payer.checkout(),
                payer.cancels(true, 2),
                payer.cancels(false, 3),
                payer.second_invoice(),
            ];
            for index in &order {
                send(&server, &events[*index]);
            }
            assert_eq!(payer.state(&site), PAID_TWICE, "{order:?} on {}", site.engine);
        }
        let expected = PAID_ONCE
            .replacen("active", "cancelled", 1)
            .replacen(", active", ", cancelled", 1);
        for order in orders(3) {
            let payer = Payer::new(&site, &server);
            let events = [payer.checkout(), payer.invoice_paid(), payer.deleted()];
            for index in &order {
                send(&server, &events[*index]);
            }
            assert_eq!(payer.state(&site), expected, "{order:?} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn an_event_that_is_sent_many_times_at_once_takes_effect_once() {
    on_both(|site| {
        let servers = serve_widely(&site);
        let payer = Payer::new(&site, &servers[0].1);
        let at_once = |event: &Value| {
            std::thread::scope(|scope| {
                let sending: Vec<_> = (0..20)
                    .map(|index| {
                        let server = &servers[index % servers.len()].1;
                        scope.spawn(move || told(server, event))
                    })
                    .collect();
                sending.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
            })
        };
        for event in [payer.checkout(), payer.second_invoice()] {
            let outcomes = at_once(&event);
            assert!(outcomes.iter().all(|outcome| outcome == "applied"), "{outcomes:?}");
        }
        assert_eq!(payer.state(&site), PAID_TWICE);
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 2);
        site.is_healthy();
    });
}

#[test]
fn events_that_come_at_once_miss_neither_each_other_nor_their_effect() {
    on_both(|site| {
        let servers = serve_widely(&site);
        let rounds = if std::env::var_os("IGNY8_TEST_LONG").is_some() {
            100
        } else {
            10
        };
        for round in 0..rounds {
            let payer = Payer::new(&site, &servers[0].1);
            let events = [
                payer.checkout(),
                payer.invoice_paid(),
                payer.invoice_succeeded(),
                payer.cancels(true, 2),
                payer.cancels(false, 3),
                payer.second_invoice(),
            ];
            std::thread::scope(|scope| {
                for (index, event) in events.iter().chain(&events).enumerate() {
                    let server = &servers[(index + round) % servers.len()].1;
                    scope.spawn(move || told(server, event));
                }
            });
            assert_eq!(payer.state(&site), PAID_TWICE, "round {round} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn a_later_invoice_renews_from_the_previous_end_with_one_grant() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
        told(&server, &payer.checkout());
        told(&server, &payer.invoice_paid());
        assert_eq!(told(&server, &payer.second_invoice()), "applied");
        let mut succeeded = payer.invoice_event("invoice_payment_succeeded", "in_b", 2_592_000);
        assert_eq!(told(&server, &succeeded), "unchanged");
        assert_eq!(payer.state(&site), PAID_TWICE);
        let gap = "SELECT later.start_us - earlier.end_us FROM subscription_period AS later \
                   JOIN subscription_period AS earlier ON earlier.subscription_id = later.subscription_id \
                   AND earlier.sequence = 2 AND later.sequence = 3";
        assert_eq!(site.number(gap), 0);
        // In the shape of the API before 2025.
        succeeded = payer.event(
            "invoice_paid_2022",
            5_184_000,
            &json!({"id": payer.name("in_c"), "subscription": payer.name("sub")}),
        );
        assert_eq!(told(&server, &succeeded), "applied");
        let grants = "SELECT COUNT(*) FROM credit_bucket WHERE grant_number = 1 AND period_sequence = 4";
        assert_eq!(site.number(grants), 1);
        site.is_healthy();
    });
}

#[test]
fn a_single_payment_confirms_what_it_names() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
        let changes = json!({"client_reference_id": format!("IG-{}", payer.tag), "payment_intent": payer.name("pi")});
        let event = payer.event("checkout_session_completed_single_payment", 0, &changes);
        assert_eq!(told(&server, &event), "applied");
        assert_eq!(
            payer.state(&site),
            PAID_ONCE.replace("in_a_1", "pi_1").replace("sub_1", "-")
        );
        site.is_healthy();
    });
}

#[test]
fn money_that_is_not_what_was_to_come_is_written_down_and_not_applied() {
    on_both(|site| {
        let server = serve(&site);
        for (member, value) in [("amount_total", json!(2998)), ("currency", json!("eur"))] {
            let payer = Payer::new(&site, &server);
            let before = payer.state(&site);
            let mut checkout = payer.checkout();
            checkout["data"]["object"][member] = value;
            assert_eq!(told(&server, &checkout), "amount_mismatch");
            assert_eq!(told(&server, &checkout), "amount_mismatch");
            assert_eq!(payer.state(&site), before);
            assert_eq!(payer.count(&site, "audit WHERE action = 'payment.mismatch'"), 1);
        }
        let payer = Payer::new(&site, &server);
        told(&server, &payer.checkout());
        let mut renewal = payer.second_invoice();
        renewal["data"]["object"]["amount_paid"] = json!(7999);
        assert_eq!(told(&server, &renewal), "amount_mismatch");
        assert_eq!(payer.state(&site), PAID_ONCE);
        site.is_healthy();
    });
}

#[test]
fn what_does_not_concern_us_is_taken_and_changes_nothing() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
        let before = (payer.state(&site), site.counts());
        for (event, expected) in [
            (fixture("charge_succeeded"), "ignored"),
            (fixture("customer_subscription_updated_renewal"), "ignored"),
            (fixture("checkout_session_completed"), "unknown_reference"),
            (json!({"id": "evt_thin", "type": "v2.core.account.updated"}), "ignored"),
        ] {
            assert_eq!(told(&server, &event), expected);
            assert_eq!(told(&server, &event), expected, "again");
        }
        assert_eq!((payer.state(&site), site.counts()), before);
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 4);
        // Of the people who paid nothing is kept.
        let kept = "SELECT COUNT(*) FROM stripe_event WHERE facts LIKE '%@%' OR facts LIKE '%Square%'";
        assert_eq!(site.number(kept), 0);
    });
}

#[test]
fn a_subscription_that_stripe_has_ended_is_never_brought_back() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
        told(&server, &payer.checkout());
        assert_eq!(told(&server, &payer.deleted()), "applied");
        let ended = payer.state(&site);
        assert!(
            ended.starts_with("cancelled, starter, 5000, cancelled, stripe"),
            "{ended}"
        );
        for (event, expected) in [
            (payer.deleted(), "applied"),
            (payer.checkout(), "applied"),
            (payer.cancels(false, 9_000_000), "unchanged"),
            (payer.invoice_paid(), "unchanged"),
            (payer.invoice_succeeded(), "unchanged"),
        ] {
            assert_eq!(told(&server, &event), expected, "{}", event["type"]);
            assert_eq!(payer.state(&site), ended, "{}", event["type"]);
        }
        assert_eq!(told(&server, &payer.second_invoice()), "unexpected");
        assert_eq!(payer.state(&site), ended.replace("unexpected 0", "unexpected 1"));
        let line =
            "SELECT COUNT(*) FROM audit WHERE action = 'payment.unexpected' AND detail LIKE '%\"amount_minor\":2999%'";
        assert_eq!(site.number(line), 1);
        site.is_healthy();
    });
}

#[test]
fn a_failed_attempt_to_pay_is_in_the_audit() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
        let failed = payer.invoice_event("invoice_payment_failed", "in_b", 2_592_000);
        assert_eq!(told(&server, &failed), "waiting");
        told(&server, &payer.checkout());
        assert_eq!(payer.count(&site, "audit WHERE action = 'payment.failed'"), 1);
        assert_eq!(told(&server, &failed), "noted");
        assert_eq!(payer.state(&site), PAID_ONCE);
    });
}

#[test]
fn what_stripe_has_not_signed_now_is_refused_and_not_stored() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&site, &server);
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
            let with_field =
                |request: igny8_testkit::http::Request, field: &String| request.field("Stripe-Signature", field);
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

/// A number below `bound` that nobody chose.
fn any_below(bound: u64) -> u64 {
    RandomState::new().hash_one("any") % bound
}

#[test]
fn a_killed_core_takes_an_event_once_when_stripe_sends_it_again() {
    on_both(|site| {
        let rounds = if std::env::var_os("IGNY8_TEST_LONG").is_some() {
            40
        } else {
            4
        };
        for round in 0..rounds {
            let mut server = serve(&site);
            let payers: Vec<Payer> = (0..6).map(|_| Payer::new(&site, &server)).collect();
            let address = server.public.clone();
            let all = |payer: &Payer| [payer.invoice_paid(), payer.checkout(), payer.second_invoice()];
            std::thread::scope(|scope| {
                for payer in &payers {
                    let address = &address;
                    scope.spawn(move || {
                        for event in all(payer) {
                            let body = event.to_string().into_bytes();
                            let field = signature(SECRET, machine_seconds(), &body);
                            let request = igny8_testkit::http::post(address, PATH).field("Stripe-Signature", &field);
                            if request.body("application/json", body).try_send().is_err() {
                                return;
                            }
                        }
                    });
                }
                // Not to wait for anything: to hit another step of the events under way each time.
                std::thread::sleep(Duration::from_micros(any_below(30_000)));
                server.child.kill();
            });
            let server = serve(&site);
            for payer in &payers {
                for event in all(payer) {
                    told(&server, &event);
                }
                assert_eq!(payer.state(&site), PAID_TWICE, "round {round} on {}", site.engine);
            }
            site.is_healthy();
        }
    });
}

#[test]
fn without_its_database_the_core_asks_stripe_to_send_again() {
    let postgres = Postgres::start();
    let site = Site::at("postgres", postgres.create_database("gone"));
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = serve(&site);
    let payer = Payer::new(&site, &server);
    drop(postgres);
    let answer = send(&server, &payer.checkout());
    assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"));
}
