//! Money: upgrades, confirmed transfers, what staff do, receipts.

mod confirm;
mod races;
mod receipts;
mod staff;
mod upgrade;

use super::site::{Member, PASSWORD, Server, Site, staff};
use super::test_clock::{DAY, ON, advance};
use igny8_testkit::http::Request;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use sqlx::Row;
use std::sync::Barrier;

pub const CONFIRM: &str = "/api/v1/billing/confirm-bank-transfer/";
/// Who issues receipts, in the environment.
pub const SELLER: &str = "IGNY8_CORE__BILLING__SELLER";
pub const UPGRADE: &str = "/api/v1/account/upgrade/";

/// Tables that money moves in.
const TABLES: [&str; 9] = [
    "ledger_entry",
    "credit_bucket",
    "subscription",
    "subscription_period",
    "payment",
    "receipt",
    "idempotency_key",
    "audit",
    "outbox",
];

pub fn sign_in(server: &Server, email: &str) -> String {
    let answer = server.login(email, PASSWORD);
    answer.json()["data"]["access"].as_str().unwrap().to_owned()
}

pub fn id(member: &Member) -> i64 {
    member.data["account"]["id"].as_i64().unwrap()
}

impl Server {
    /// A POST that is not sent yet.
    pub fn asks(&self, access: &str, path: &str, body: &Value) -> Request {
        self.post(path).bearer(access).json(body)
    }

    /// What is read at this path; it must be there.
    #[track_caller]
    pub fn reads(&self, access: &str, path: &str) -> Value {
        let answer = self.get(path).bearer(access).send();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["data"].clone()
    }
}

/// A transfer of `amount`, called `external`, for an account.
pub fn transfer(account: i64, external: &str, amount: &str) -> Value {
    json!({"account_id": account, "external_payment_id": external, "amount": amount, "payer_name": "Ada Lovelace"})
}

/// `base` with these members besides.
pub fn with(base: &Value, more: &Value) -> Value {
    let mut whole = base.as_object().unwrap().clone();
    whole.extend(more.as_object().unwrap().clone());
    Value::Object(whole)
}

/// The `data` of an answer that must be a success.
#[track_caller]
pub fn data(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["success"], true);
    body["data"].clone()
}

#[track_caller]
pub fn refused(answer: &Response, status: u16, code: &str) -> Value {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
    answer.json()["fields"].clone()
}

/// How many rows every table of money has.
pub fn money(site: &Site) -> Vec<(&'static str, i64)> {
    let count = |table| site.number(&format!("SELECT COUNT(*) FROM {table}"));
    TABLES.iter().map(|table| (*table, count(table))).collect()
}

/// The type and amount of an account's ledger entries, in their order.
pub fn entries(site: &Site, account: i64) -> Vec<(String, i64)> {
    site.rows(
        &format!("SELECT transaction_type, amount FROM ledger_entry WHERE account_id = {account} ORDER BY sequence"),
        |row| (row.get(0), row.get(1)),
    )
}

/// Actor and action of an account's lines in the audit since a line's number, in their order.
pub fn audit(site: &Site, account: i64, after: i64) -> Vec<(String, String)> {
    site.rows(
        &format!("SELECT actor_kind, action FROM audit WHERE account_id = {account} AND id > {after} ORDER BY id"),
        |row| (row.get(0), row.get(1)),
    )
}

pub fn last_audit(site: &Site) -> i64 {
    site.number("SELECT MAX(id) FROM audit")
}

/// The detail of the newest line of an action.
pub fn detail(site: &Site, action: &str) -> Value {
    let sql = format!("SELECT detail FROM audit WHERE action = '{action}' ORDER BY id DESC LIMIT 1");
    let details: Vec<String> = site.rows(&sql, |row| row.get(0));
    serde_json::from_str(&details[0]).unwrap()
}

/// `(kind, action)` pairs as [`audit`] gives them.
pub fn lines(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(kind, action): &(&str, &str)| ((*kind).to_owned(), (*action).to_owned());
    pairs.iter().map(owned).collect()
}

/// Sends these at the same moment and gives their answers in the same order.
pub fn at_once(requests: &[Request]) -> Vec<Response> {
    let ready = Barrier::new(requests.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .iter()
            .map(|request| {
                scope.spawn(|| {
                    ready.wait();
                    request.send()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
