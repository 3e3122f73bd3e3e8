//! Credits of accounts that have lost their standing: what was asked for in time, and what can still be put right.

use super::{Asker, CONSUME, HOLDS, assert_refused, colleague};
use crate::site::on_both;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};

/// What was asked for while all was well, under a key each: a debit, a hold, and the confirmation of a part of another.
fn asked_in_time(asker: Asker<'_>, held: &Value) -> Vec<(String, &'static str, Value)> {
    let confirm = format!("{HOLDS}{}/confirm/", held["id"]);
    let asked = [
        (CONSUME.to_owned(), "a", json!({"amount": 7, "description": "words"})),
        (HOLDS.to_owned(), "b", json!({"amount": 11, "description": "words"})),
        (confirm, "c", json!({"amount": 13})),
    ];
    for (path, key, body) in &asked {
        let answer = asker.keyed(path, key, body);
        assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text());
    }
    asked.to_vec()
}

#[test]
fn what_was_answered_before_is_answered_again_and_holds_are_let_go_of_whatever_the_accounts_standing() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let held: Vec<Value> = (0..5).map(|_| asker.hold(20)).collect();
        let asked = asked_in_time(asker, &held[0]);
        let first: Vec<Response> = asked
            .iter()
            .map(|(path, key, body)| asker.keyed(path, key, body))
            .collect();
        let viewer = colleague(&site, &server, &member, "viewer");
        let states = [
            ("suspended", "'trial_ended'", "trial_ended"),
            ("suspended", "'payment_overdue'", "payment_required"),
            ("past_due", "NULL", "payment_required"),
        ];
        for ((status, reason, code), hold) in states.into_iter().zip(&held[1..]) {
            site.sql(&format!(
                "UPDATE account SET status = '{status}', suspend_reason = {reason}"
            ))
            .unwrap();
            let balance = asker.credits()[0];
            for ((path, key, body), first) in asked.iter().zip(&first) {
                let again = asker.keyed(path, key, body);
                assert_eq!(
                    (again.status, again.json()["data"].clone()),
                    (first.status, first.json()["data"].clone())
                );
                assert_eq!(again.field("idempotency-replayed"), Some("true"), "{path}");
                let other = asker.keyed(path, key, &json!({"amount": 1, "description": "other"}));
                assert!([409, 422].contains(&other.status), "{}", other.text());
                // Whoever asks for something new is told what the account lacks, with a key or without one.
                assert_refused(&asker.keyed(path, &format!("{key}-{status}-{reason}"), body), 402, code);
                assert_refused(&asker.post(path, body), 402, code);
                assert_refused(&Asker::new(&server, &viewer).keyed(path, "d", body), 402, code);
            }
            assert_eq!(asker.credits()[0], balance);
            let release = format!("{HOLDS}{}/release/", hold["id"]);
            assert_refused(
                &Asker::new(&server, &viewer).post(&release, &json!({})),
                403,
                "role_required",
            );
            let released = asker.keyed(&release, "e", &json!({}));
            assert_eq!(
                (released.status, &released.json()["data"]["status"]),
                (200, &json!("released"))
            );
            assert_eq!(asker.keyed(&release, "e", &json!({})).status, 200);
        }
        // The house's own reasons, and an end, shut out everybody.
        for (status, reason, code) in [
            ("suspended", "'abuse'", "account_suspended"),
            ("cancelled", "NULL", "account_cancelled"),
        ] {
            site.sql(&format!(
                "UPDATE account SET status = '{status}', suspend_reason = {reason}"
            ))
            .unwrap();
            let (path, key, body) = &asked[0];
            assert_refused(&asker.keyed(path, key, body), 403, code);
            assert_refused(&asker.end(&held[4], "release", &json!({})), 403, code);
        }
        site.sql("UPDATE account SET status = 'trial', suspend_reason = NULL")
            .unwrap();
        assert_eq!(asker.credits(), [2000 - 7 - 13, 11 + 20, 2000 - 7 - 13 - 11 - 20]);
        site.is_healthy();
    });
}
