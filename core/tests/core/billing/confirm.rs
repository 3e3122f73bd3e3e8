//! Confirming bank transfers, one after the other.

use super::*;
use crate::site::on_both;

const THIRTY_DAYS: i64 = 30 * 86_400_000_000;

fn period_of(data: &Value) -> (String, String) {
    let time = |key: &str| data["subscription"][key].as_str().unwrap().to_owned();
    (time("current_period_start"), time("current_period_end"))
}

#[test]
fn the_documents_own_request_activates_starter_on_a_fresh_trial_account() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let (account, before) = (id(&member), last_audit(&site));
        let body = json!({
            "account_id": account, "external_payment_id": "BT-1", "amount": "29.99", "payer_name": "Ada Lovelace",
        });
        let data = data(&server.asks(&staff, CONFIRM, &body).send());
        assert_eq!(
            (&data["account"]["status"], &data["account"]["credits"]),
            (&json!("active"), &json!(5_000))
        );
        assert_eq!(data["account"]["plan"]["slug"], "starter");
        assert_eq!(data["account"]["payment_method"], "bank_transfer");
        assert_eq!(data["subscription"]["status"], "active");
        assert_eq!(data["subscription"]["payment_method"], "bank_transfer");
        let payment = &data["payment"];
        assert_eq!(
            (&payment["external_payment_id"], &payment["amount"]),
            (&json!("BT-1"), &json!("29.99"))
        );
        assert_eq!(
            (&payment["currency"], &payment["method"]),
            (&json!("USD"), &json!("bank_transfer"))
        );
        assert_eq!(
            (&payment["plan_slug"], &payment["receipt_number"]),
            (&json!("starter"), &json!(1))
        );
        assert_eq!(
            (&payment["payer_name"], &payment["override_reason"]),
            (&json!("Ada Lovelace"), &Value::Null)
        );
        assert_eq!((payment["period_start"].as_str(), payment["period_end"].as_str()), {
            let subscription = &data["subscription"];
            (
                subscription["current_period_start"].as_str(),
                subscription["current_period_end"].as_str(),
            )
        });
        assert_eq!(payment["confirmed_at"], payment["period_start"], "it begins now");

        let expected = [("subscription", 2_000), ("expiry", -2_000), ("subscription", 5_000)];
        assert_eq!(
            entries(&site, account),
            expected.map(|(kind, amount)| (kind.to_owned(), amount))
        );
        let lengths = "SELECT end_us - start_us FROM subscription_period ORDER BY sequence DESC";
        assert_eq!(site.number(lengths), THIRTY_DAYS);
        assert_eq!(
            audit(&site, account, before),
            lines(&[("staff", "subscription.activated"), ("staff", "payment.confirmed")])
        );
        // The account's own people see the same.
        assert_eq!(server.reads(&member.access, "/api/v1/account/"), data["account"]);
        assert_eq!(
            server.reads(&member.access, "/api/v1/account/subscription/"),
            data["subscription"]
        );
        site.is_healthy();
    });
}

#[test]
fn a_running_trial_is_closed_where_the_paid_period_begins() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        age(&site, id(&member), 5);
        let paid = data(
            &server
                .asks(&staff, CONFIRM, &transfer(id(&member), "BT-1", "29.99"))
                .send(),
        );
        let periods: Vec<(i64, i64)> = site.rows(
            "SELECT start_us, end_us FROM subscription_period ORDER BY sequence",
            |row| (row.get(0), row.get(1)),
        );
        assert_eq!(periods.len(), 2);
        assert_eq!(periods[0].1, periods[1].0, "they tile");
        assert!(
            periods[0].1 - periods[0].0 < THIRTY_DAYS / 5,
            "nine days of the trial were left"
        );
        assert_eq!(paid["subscription"]["number"], 1);
        site.is_healthy();
    });
}

#[test]
fn after_the_trial_has_ended_a_payment_begins_a_new_subscription() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        age(&site, id(&member), 20);
        let paid = data(
            &server
                .asks(&staff, CONFIRM, &transfer(id(&member), "BT-1", "29.99"))
                .send(),
        );
        assert_eq!(
            (&paid["account"]["status"], &paid["subscription"]["number"]),
            (&json!("active"), &json!(2))
        );
        assert_eq!(paid["payment"]["period_start"], paid["payment"]["confirmed_at"]);
        site.is_healthy();
    });
}

#[test]
fn another_amount_is_refused_with_the_price_and_taken_for_a_reason() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let short = with(
            &transfer(id(&member), "BT-1", "25.00"),
            &json!({"plan_slug": "starter"}),
        );
        let before = money(&site);
        let fields = refused(&server.asks(&staff, CONFIRM, &short).send(), 422, "amount_mismatch");
        assert!(fields["amount"].as_str().unwrap().contains("29.99 USD"), "{fields}");
        assert_eq!(money(&site), before);
        let blank = with(&short, &json!({"override_reason": "  "}));
        refused(&server.asks(&staff, CONFIRM, &blank).send(), 422, "amount_mismatch");

        let reason = json!({"override_reason": "the bank kept its fee"});
        let paid = data(&server.asks(&staff, CONFIRM, &with(&short, &reason)).send());
        assert_eq!(paid["payment"]["amount"], "25.00");
        assert_eq!(paid["payment"]["override_reason"], "the bank kept its fee");
        let noted = detail(&site, "payment.confirmed");
        assert_eq!(noted["override_reason"], "the bank kept its fee");
        assert_eq!(
            (&noted["amount_minor"], &noted["expected_minor"]),
            (&json!(2_500), &json!(2_999))
        );
        site.is_healthy();
    });
}

#[test]
fn what_a_payment_is_for_must_be_clear() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let ask = |more: Value| server.asks(&staff, CONFIRM, &with(&transfer(id(&member), "BT-1", "12.34"), &more));
        refused(&ask(json!({})).send(), 422, "plan_required");
        refused(&ask(json!({"plan_slug": "free"})).send(), 422, "plan_required");
        let fields = refused(&ask(json!({"plan_slug": "gold"})).send(), 422, "validation_failed");
        assert!(fields["plan_slug"].is_string());
        // The pending upgrade goes before the plan that is named.
        let upgrade = json!({"plan_slug": "growth", "payment_method": "bank_transfer"});
        let pending = data(&server.asks(&member.access, UPGRADE, &upgrade).send());
        let fields = refused(&ask(json!({"plan_slug": "starter"})).send(), 422, "amount_mismatch");
        assert!(fields["amount"].as_str().unwrap().contains("79.99"));
        let paid = data(&ask(json!({"plan_slug": "starter", "amount": "79.99"})).send());
        assert_eq!(paid["account"]["plan"]["slug"], "growth");
        let settled: Vec<(String, String)> =
            site.rows("SELECT status, reference FROM payment", |row| (row.get(0), row.get(1)));
        let reference = pending["reference"].as_str().unwrap().to_owned();
        assert_eq!(settled, [("confirmed".to_owned(), reference)]);
    });
}

#[test]
fn the_same_confirmation_again_is_answered_the_same_and_does_nothing() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member, other) = (staff(&site, &server), server.sign_up(), server.sign_up());
        let body = transfer(id(&member), "BT-1", "29.99");
        let first = server.asks(&staff, CONFIRM, &body).send();
        let before = money(&site);
        for again in [body.clone(), with(&body, &json!({"external_payment_id": " BT-1 "}))] {
            let again = server.asks(&staff, CONFIRM, &again).send();
            assert_eq!(data(&again), data(&first));
            assert_eq!(again.text(), first.text());
            assert_eq!(again.field("idempotency-replayed"), Some("true"));
        }
        assert_eq!(first.field("idempotency-replayed"), None);
        for other in [
            transfer(id(&member), "BT-1", "79.99"),
            transfer(id(&other), "BT-1", "29.99"),
        ] {
            refused(&server.asks(&staff, CONFIRM, &other).send(), 409, "payment_conflict");
        }
        assert_eq!(money(&site), before);
    });
}

#[test]
fn a_second_transfer_renews_from_the_previous_end() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let pay = |external: &str| server.asks(&staff, CONFIRM, &transfer(id(&member), external, "29.99"));
        let (first, second) = (data(&pay("BT-1").send()), data(&pay("BT-2").send()));
        assert_eq!(period_of(&second).0, period_of(&first).1);
        assert_eq!(second["subscription"]["number"], 1);
        assert_eq!(second["account"]["credits"], 5_000);
        let lengths = "SELECT end_us - start_us FROM subscription_period ORDER BY sequence DESC";
        assert_eq!(site.number(lengths), THIRTY_DAYS);
        assert_eq!(second["payment"]["receipt_number"], 2);
        let bought: Vec<String> = site.rows("SELECT external_payment_id FROM subscription", |row| row.get(0));
        assert_eq!(bought, ["BT-2"]);
        site.is_healthy();
    });
}

#[test]
fn a_very_late_renewal_is_told_how_to_go_on() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        for (mode, number, added) in [("catch_up", 1, 4), ("restart", 2, 1)] {
            let member = server.sign_up();
            let account = id(&member);
            let pay = |external: &str, more: &Value| {
                let body = with(&transfer(account, &format!("{mode}-{external}"), "29.99"), more);
                server.asks(&staff, CONFIRM, &body).send()
            };
            data(&pay("1", &json!({})));
            age(&site, account, 130);
            refused(&pay("2", &json!({})), 409, "renewal_mode_required");
            let fields = refused(&pay("2", &json!({"mode": "sometime"})), 422, "validation_failed");
            assert!(fields["mode"].is_string());
            let late = data(&pay("2", &json!({"mode": mode})));
            assert_eq!(late["subscription"]["number"], number, "{mode}");
            assert_eq!(
                (&late["account"]["status"], &late["account"]["credits"]),
                (&json!("active"), &json!(5_000))
            );
            let renewed = entries(&site, account).len() - 3;
            assert_eq!(
                renewed,
                2 * added,
                "an expiry and a grant for each period that was added"
            );
        }
        site.is_healthy();
    });
}

#[test]
fn what_is_not_a_transfer_is_refused_by_field() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let (good, before) = (transfer(id(&member), "BT-1", "29.99"), money(&site));
        let ask = |more: &Value| server.asks(&staff, CONFIRM, &with(&good, more)).send();
        for (field, value) in [
            ("amount", json!("29.9")),
            ("amount", json!("29")),
            ("amount", json!("0.00")),
            ("amount", json!("-29.99")),
            ("amount", json!("1e3")),
            ("amount", json!("99999999999999999999.00")),
            ("amount", json!(29.99)),
            ("amount", json!("")),
            ("external_payment_id", json!(" ")),
            ("external_payment_id", json!("x".repeat(256))),
            ("external_payment_id", json!("a\u{0}b")),
            ("payer_name", json!("")),
            ("payer_name", json!(null)),
            ("account_id", json!(0)),
            ("account_id", json!("1")),
            ("override_reason", json!("x".repeat(501))),
            ("colour", json!("red")),
        ] {
            let fields = refused(&ask(&json!({field: value})), 422, "validation_failed");
            assert!(fields[field].is_string(), "{field} {value}: {fields}");
        }
        let fields = refused(
            &server.asks(&staff, CONFIRM, &json!({})).send(),
            422,
            "validation_failed",
        );
        for field in ["account_id", "external_payment_id", "amount", "payer_name"] {
            assert!(fields[field].is_string(), "{field}: {fields}");
        }
        assert_eq!(money(&site), before);
    });
}

#[test]
fn accounts_that_are_not_there_and_the_staffs_own_are_not_found() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        let own = server.reads(&staff, "/api/v1/account/")["id"].as_i64().unwrap();
        let before = money(&site);
        for account in [own, 4_711] {
            let reason = json!({"account_id": account, "reason": "a word"});
            for (path, body) in [
                (CONFIRM, transfer(account, "BT-1", "29.99")),
                ("/api/v1/billing/renew/", reason.clone()),
                (
                    "/api/v1/billing/assign-plan/",
                    with(&reason, &json!({"plan_slug": "enterprise"})),
                ),
                ("/api/v1/billing/adjust-credits/", with(&reason, &json!({"amount": 1}))),
                (
                    &format!("/api/v1/staff/accounts/{account}/suspend/"),
                    json!({"reason": "abuse"}),
                ),
                (&format!("/api/v1/staff/accounts/{account}/reinstate/"), json!({})),
            ] {
                refused(&server.asks(&staff, path, &body).send(), 404, "not_found");
            }
        }
        let upgrade = json!({"plan_slug": "starter", "payment_method": "bank_transfer"});
        refused(&server.asks(&staff, UPGRADE, &upgrade).send(), 404, "not_found");
        assert_eq!(money(&site), before);
    });
}
