//! Stripe's webhooks as Stripe sends them: signed, in any order, again and again, several at once.
//!
//! The events in `stripe/` have the shape that Stripe documents, with names of our own. A [`Payer`] has them told of
//! itself: [`Payer::checkout`] and the others are those events about its own payment and subscription.

mod effects;
mod gate;

use super::site::{Member, Server, Site};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use igny8_contract::time::{Clock, SystemClock};
use igny8_testkit::http::Request;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

const PATH: &str = "/api/v1/billing/webhooks/stripe/";
pub const SECRET: &str = "whsec_J7Xg2Qm4tVb9Kd6RfWn3";
pub const SECRET_FILE: &str = "IGNY8_CORE__STRIPE__WEBHOOK_SECRET_FILE";

/// When the checkout happened at Stripe.
const BEGIN: i64 = 1_767_225_600;

pub fn write_secrets(site: &Site, text: &str) -> String {
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

fn request(server: &Server, secret: &str, body: Vec<u8>) -> Request {
    let signature = signature(secret, machine_seconds(), &body);
    let request = server.post(PATH).field("Stripe-Signature", &signature);
    request.body("application/json; charset=utf-8", body)
}

/// An event, signed and not sent yet.
pub fn signed(server: &Server, event: &Value) -> Request {
    request(server, SECRET, event.to_string().into_bytes())
}

fn send_bytes(server: &Server, secret: &str, body: Vec<u8>) -> Response {
    request(server, secret, body).send()
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
pub struct Payer {
    member: Member,
    pub account: i64,
    /// Of the pending payment.
    reference: String,
    /// In every name at Stripe that belongs to this payer.
    tag: String,
}

impl Payer {
    pub fn new(server: &Server) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let member = server.sign_up();
        let asked = server
            .post("/api/v1/account/upgrade/")
            .bearer(&member.access)
            .json(&json!({"plan_slug": "starter", "payment_method": "stripe"}))
            .send();
        Self {
            account: member.data["account"]["id"].as_i64().unwrap(),
            member,
            reference: asked.json()["data"]["reference"].as_str().unwrap().to_owned(),
            tag: format!("Payer{:06}", COUNT.fetch_add(1, Ordering::Relaxed)),
        }
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

    pub fn checkout(&self) -> Value {
        let changes = json!({
            "client_reference_id": self.reference, "subscription": self.name("sub"), "invoice": self.name("in_a"),
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

    pub fn second_invoice(&self) -> Value {
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
