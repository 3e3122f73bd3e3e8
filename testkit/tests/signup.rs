//! Signing up through the proxy: what a person has afterwards, and that the token works at once on the app behind it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::raw::Response;
use igny8_testkit::stack::{PASSWORD, Stack, new_address};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::builder().start())
}

fn register(body: &Value) -> Response {
    stack().post("/api/v1/auth/register/").json(body).send()
}

/// Microseconds since midnight, and the date, of an RFC 3339 time in UTC with microseconds.
fn date_and_time(text: &Value) -> (String, String) {
    let text = text.as_str().unwrap();
    assert_eq!(
        (text.len(), &text[26..]),
        (27, "Z"),
        "{text} is not in UTC with microseconds"
    );
    let (date, time) = text.split_once('T').unwrap();
    (date.to_owned(), time.to_owned())
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn day_number(date: &str) -> i64 {
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let (year, month, day) = (parts[0], parts[1], parts[2]);
    let (year, month) = if month < 3 {
        (year - 1, month + 12)
    } else {
        (year, month)
    };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 719_469
}

#[test]
fn whoever_signs_up_has_a_trial_with_two_thousand_credits_for_exactly_fourteen_days() {
    let member = stack().sign_up();
    assert_eq!(member.data["account"]["status"], "trial");
    assert_eq!(member.data["account"]["credits"], 2000);
    assert_eq!(member.data["account"]["plan"]["slug"], "free-trial");
    assert_eq!(member.data["user"]["email"], member.email);
    let subscription = &member.data["subscription"];
    assert_eq!(subscription["status"], "trialing");
    assert_eq!(subscription["payment_method"], "trial");
    assert_eq!(subscription["cancel_at_period_end"], false);
    let (first_day, first_time) = date_and_time(&subscription["current_period_start"]);
    let (last_day, last_time) = date_and_time(&subscription["current_period_end"]);
    assert_eq!(day_number(&last_day) - day_number(&first_day), 14);
    assert_eq!(first_time, last_time, "the period is not a whole number of days");
    assert_eq!(day_number("2000-03-01") - day_number("2000-02-28"), 2);

    let page = stack()
        .get("/api/v1/credits/transactions/")
        .bearer(&member.access)
        .send()
        .json();
    let entries = page["data"]["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{page}");
    assert_eq!(entries[0]["transaction_type"], "subscription");
    assert_eq!(entries[0]["amount"], 2000);
    assert_eq!(entries[0]["balance_after"], 2000);
    assert_eq!(entries[0]["description"], "Initial credits from Free Trial");
    assert_eq!(
        entries[0]["metadata"],
        json!({"registration": true, "plan_slug": "free-trial"})
    );
    let credits = stack().get("/api/v1/credits/").bearer(&member.access).send().json();
    assert_eq!(credits["data"]["balance"], 2000);
    assert_eq!(credits["data"]["available"], 2000);
}

#[test]
fn the_token_of_a_sign_up_works_at_once_on_the_app() {
    let member = stack().sign_up();
    let believed = stack().get("/api/v1/whoami/").bearer(&member.access).send();
    assert_eq!(believed.status, 200, "{}", believed.text());
    assert_eq!(believed.json()["account_id"], member.account_id);
    assert_eq!(believed.json()["user_id"], member.user_id);
    let draft = stack()
        .post("/api/v1/writer/drafts/")
        .bearer(&member.access)
        .json(&json!({"title": "First", "words": 250}))
        .send();
    assert_eq!(draft.status, 201, "{}", draft.text());
    assert_eq!(draft.json()["account_id"], member.account_id);

    let other = stack().sign_up();
    let path = format!("/api/v1/writer/drafts/{}/", draft.json()["id"]);
    assert_eq!(stack().get(&path).bearer(&member.access).send().status, 200);
    assert_eq!(
        stack().get(&path).bearer(&other.access).send().status,
        404,
        "another account sees the draft"
    );
}

#[test]
fn paid_plans_and_enterprise_cannot_be_signed_up_to() {
    for (slug, code) in [
        ("starter", "paid_plan_needs_payment"),
        ("growth", "paid_plan_needs_payment"),
        ("scale", "paid_plan_needs_payment"),
        ("enterprise", "enterprise_needs_staff"),
    ] {
        let email = new_address();
        let answer = register(&json!({"email": email, "password": PASSWORD, "plan_slug": slug}));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, code),
            "{slug}: {}",
            answer.text()
        );
        if slug == "enterprise" {
            assert_eq!(answer.json()["error"], "Enterprise plan requires manual assignment");
        }
        let login = stack()
            .post("/api/v1/auth/login/")
            .json(&json!({"email": email, "password": PASSWORD}))
            .send();
        assert_eq!(
            login.code(),
            "invalid_credentials",
            "{slug}: somebody was created all the same"
        );
    }
}

#[test]
fn a_hundred_sign_ups_at_once_with_one_address_make_one_account() {
    let email = new_address();
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(|| stack().try_sign_up(&email))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (409, "email_taken"),
            "{}",
            refused.text()
        );
    }
}

#[test]
fn many_people_sign_up_at_once_and_each_gets_an_account_of_their_own() {
    let accounts: HashSet<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| stack().sign_up().account_id)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(accounts.len(), 16);
}

#[test]
fn signing_in_gives_a_token_that_works_and_signing_out_ends_it() {
    let member = stack().sign_up();
    let login = stack()
        .post("/api/v1/auth/login/")
        .json(&json!({"email": member.email, "password": PASSWORD}))
        .send();
    assert_eq!(login.status, 200, "{}", login.text());
    let access = login.json()["data"]["access"].as_str().unwrap().to_owned();
    assert_eq!(stack().get("/api/v1/whoami/").bearer(&access).send().status, 200);
    let me = stack().get("/api/v1/auth/me/").bearer(&access).send();
    assert_eq!(me.json()["data"]["user"]["email"], member.email, "{}", me.text());

    assert_eq!(stack().post("/api/v1/auth/logout/").bearer(&access).send().status, 204);
    wait_until("the ended sign-in to be refused", Duration::from_secs(5), || {
        let answer = stack().get("/api/v1/whoami/").bearer(&access).send();
        (answer.status == 401 && answer.code() == "token_revoked").then_some(())
    });
    let first = stack().get("/api/v1/whoami/").bearer(&member.access).send();
    assert_eq!(first.status, 200, "signing out ended another sign-in: {}", first.text());
}

#[test]
fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let member = stack().sign_up();
    let answers: Vec<_> = [member.email.as_str(), "nobody-at-all@example.com"]
        .into_iter()
        .map(|email| {
            let body = json!({"email": email, "password": "not the password of this person"});
            let mut answer = stack().post("/api/v1/auth/login/").json(&body).send().json();
            answer["request_id"] = Value::Null;
            answer
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["code"], "invalid_credentials");
}
