//! What staff do without a payment, and that nobody else does it.

use super::*;
use crate::site::on_both;

const RENEW: &str = "/api/v1/billing/renew/";
const ASSIGN: &str = "/api/v1/billing/assign-plan/";
const ADJUST: &str = "/api/v1/billing/adjust-credits/";

/// Every call of staff's, with a body that is right for this account.
fn calls(account: i64) -> Vec<(String, Value)> {
    let reason = json!({"account_id": account, "reason": "a word"});
    vec![
        (CONFIRM.to_owned(), transfer(account, "BT-1", "29.99")),
        (RENEW.to_owned(), reason.clone()),
        (ASSIGN.to_owned(), with(&reason, &json!({"plan_slug": "enterprise"}))),
        (ADJUST.to_owned(), with(&reason, &json!({"amount": 5}))),
        (
            format!("/api/v1/staff/accounts/{account}/suspend/"),
            json!({"reason": "abuse"}),
        ),
        (format!("/api/v1/staff/accounts/{account}/reinstate/"), json!({})),
    ]
}

#[test]
fn no_role_in_an_account_opens_what_is_staffs() {
    on_both(|site| {
        let server = site.serve();
        let (member, other) = (server.sign_up(), server.sign_up());
        let before = money(&site);
        // The owner of the very account, and of another one.
        for access in [&member.access, &other.access] {
            for (path, body) in calls(id(&member)) {
                refused(&server.asks(access, &path, &body).send(), 403, "role_required");
            }
            let pending = server.get("/api/v1/billing/pending/").bearer(access).send();
            refused(&pending, 403, "role_required");
        }
        for (path, body) in calls(id(&member)) {
            refused(&server.post(&path).json(&body).send(), 401, "credentials_required");
        }
        refused(
            &server.get("/api/v1/billing/pending/").send(),
            401,
            "credentials_required",
        );
        assert_eq!(money(&site), before);
    });
}

#[test]
fn enterprise_is_given_by_staff_alone_and_leaves_a_line() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let account = id(&member);
        let wish = json!({"plan_slug": "enterprise", "payment_method": "bank_transfer"});
        refused(
            &server.asks(&member.access, UPGRADE, &wish).send(),
            403,
            "enterprise_needs_staff",
        );
        let before = last_audit(&site);
        let assign = |plan: &str| {
            let body = json!({"account_id": account, "plan_slug": plan, "reason": "signed on Monday"});
            server.asks(&staff, ASSIGN, &body).send()
        };
        let given = data(&assign("enterprise"));
        assert_eq!(
            (&given["account"]["status"], &given["account"]["credits"]),
            (&json!("active"), &json!(500_000))
        );
        assert_eq!(given["account"]["plan"]["slug"], "enterprise");
        assert_eq!(
            (
                &given["subscription"]["status"],
                &given["subscription"]["payment_method"]
            ),
            (&json!("active"), &json!("manual"))
        );
        assert_eq!(
            audit(&site, account, before),
            lines(&[("staff", "subscription.activated"), ("staff", "plan.assigned")])
        );
        let line = detail(&site, "plan.assigned");
        assert_eq!(
            (&line["plan_slug"], &line["reason"]),
            (&json!("enterprise"), &json!("signed on Monday"))
        );
        let counted = entries(&site, account).len();
        assert_eq!(data(&assign("enterprise")), given, "assigned again it is the same");
        assert_eq!(entries(&site, account).len(), counted);
        refused(&assign("starter"), 403, "paid_plan_needs_payment");
        for none in ["free-trial", "gold"] {
            assert!(refused(&assign(none), 422, "validation_failed")["plan_slug"].is_string());
        }
        assert_eq!(data(&assign("free"))["account"]["credits"], 100);
        site.is_healthy();
    });
}

#[test]
fn staff_renew_what_was_paid_for_once_and_say_why() {
    on_both(|site| {
        let server = site.serve_with(&[ON]);
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let account = id(&member);
        let renew = |more: &Value| {
            let body = with(&json!({"account_id": account, "reason": "a gift"}), more);
            server.asks(&staff, RENEW, &body).send()
        };
        refused(&renew(&json!({})), 409, "not_renewable");
        let paid = data(&server.asks(&staff, CONFIRM, &transfer(account, "BT-1", "29.99")).send());
        let before = last_audit(&site);
        let renewed = data(&renew(&json!({})));
        let (old, new) = (&paid["subscription"], &renewed["subscription"]);
        assert_eq!(new["current_period_start"], old["current_period_end"]);
        assert_eq!(
            (&new["payment_method"], &new["number"]),
            (&old["payment_method"], &old["number"])
        );
        assert_eq!(
            audit(&site, account, before),
            lines(&[("staff", "subscription.renewed")])
        );
        assert_eq!(detail(&site, "subscription.renewed")["reason"], "a gift");
        assert_eq!(site.number("SELECT COUNT(*) FROM payment"), 1, "nothing was paid");
        advance(&server, &staff, 160 * DAY);
        refused(&renew(&json!({})), 409, "renewal_mode_required");
        let again = data(&renew(&json!({"mode": "catch_up"})));
        assert_eq!(
            (&again["account"]["status"], &again["subscription"]["number"]),
            (&json!("active"), &json!(1))
        );
        let fields = refused(&renew(&json!({"reason": " "})), 422, "validation_failed");
        assert!(fields["reason"].is_string());
        site.is_healthy();
    });
}

#[test]
fn credits_are_added_and_taken_by_hand_as_entries_with_a_reason() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let account = id(&member);
        let adjust = |more: &Value| {
            let body = with(&json!({"account_id": account, "reason": "an apology"}), more);
            server.asks(&staff, ADJUST, &body).send()
        };
        let before = last_audit(&site);
        let mut balance = 2_000;
        for (amount, kind, named) in [
            (10, None, "adjustment"),
            (20, Some("bonus"), "bonus"),
            (30, Some("purchase"), "purchase"),
            (40, Some("refund"), "refund"),
            (-2_050, Some("adjustment"), "adjustment"),
        ] {
            let more = kind.map_or(
                json!({"amount": amount}),
                |kind| json!({"amount": amount, "kind": kind}),
            );
            let entry = data(&adjust(&more));
            balance += amount;
            assert_eq!(
                (&entry["amount"], &entry["balance_after"]),
                (&json!(amount), &json!(balance))
            );
            assert_eq!(
                (&entry["transaction_type"], &entry["description"]),
                (&json!(named), &json!("an apology"))
            );
            let listed = server.reads(&member.access, "/api/v1/credits/transactions/?limit=1");
            assert_eq!(listed["items"][0], entry);
        }
        refused(&adjust(&json!({"amount": -51})), 402, "insufficient_credits");
        let expiring = data(&adjust(&json!({"amount": 7, "kind": "bonus", "expires_in_days": 3})));
        assert_eq!(expiring["balance_after"], 57);
        let life = "SELECT expires_at_us - created_at_us FROM credit_bucket WHERE expires_at_us IS NOT NULL AND kind = 'bonus'";
        assert_eq!(site.number(life), 3 * 86_400_000_000);
        assert_eq!(
            site.number("SELECT COUNT(*) FROM credit_bucket WHERE kind = 'purchased'"),
            1
        );
        assert_eq!(
            audit(&site, account, before),
            lines(&[("staff", "credits.adjusted"); 6])
        );
        for (field, more) in [
            ("amount", json!({"amount": 0})),
            ("amount", json!({})),
            ("amount", json!({"amount": 1.5})),
            ("amount", json!({"amount": 1_000_000_000_001_i64})),
            ("kind", json!({"amount": 1, "kind": "subscription"})),
            ("kind", json!({"amount": 1, "kind": "expiry"})),
            ("expires_in_days", json!({"amount": 1, "expires_in_days": 0})),
            ("expires_in_days", json!({"amount": -1, "expires_in_days": 1})),
            ("reason", json!({"amount": 1, "reason": ""})),
        ] {
            let fields = refused(&adjust(&more), 422, "validation_failed");
            assert!(fields[field].is_string(), "{more}: {fields}");
        }
        site.is_healthy();
    });
}

#[test]
fn a_suspended_account_is_shut_out_until_it_is_reinstated() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let account = id(&member);
        let before = last_audit(&site);
        let call = |verb: &str, body: &Value| {
            let path = format!("/api/v1/staff/accounts/{account}/{verb}/");
            server.asks(&staff, &path, body).send()
        };
        let suspended = data(&call("suspend", &json!({"reason": "abuse", "note": "sends spam"})));
        assert_eq!(
            (&suspended["status"], &suspended["suspend_reason"]),
            (&json!("suspended"), &json!("abuse"))
        );
        assert_eq!(
            detail(&site, "account.suspended"),
            json!({
                "reason": "abuse", "note": "sends spam", "status": {"before": "trial", "after": "suspended"},
                "suspend_reason": {"before": null, "after": "abuse"},
            })
        );
        for path in ["/api/v1/account/", "/api/v1/credits/", "/api/v1/account/payments/"] {
            refused(
                &server.get(path).bearer(&member.access).send(),
                403,
                "account_suspended",
            );
        }
        let upgrade = json!({"plan_slug": "starter", "payment_method": "bank_transfer"});
        refused(
            &server.asks(&member.access, UPGRADE, &upgrade).send(),
            403,
            "account_suspended",
        );
        // Money that comes is taken, and opens nothing.
        let paid = data(&server.asks(&staff, CONFIRM, &transfer(account, "BT-1", "29.99")).send());
        assert_eq!(
            (&paid["account"]["status"], &paid["subscription"]["status"]),
            (&json!("suspended"), &json!("active"))
        );

        let reinstated = data(&call("reinstate", &json!({"note": "they stopped"})));
        assert_eq!(
            (&reinstated["status"], &reinstated["suspend_reason"]),
            (&json!("active"), &Value::Null)
        );
        assert_eq!(data(&call("reinstate", &json!({}))), reinstated, "once is enough");
        assert_eq!(server.reads(&member.access, "/api/v1/account/"), reinstated);
        let expected = [
            ("staff", "account.suspended"),
            ("staff", "subscription.activated"),
            ("staff", "payment.confirmed"),
            ("staff", "account.reinstated"),
        ];
        assert_eq!(audit(&site, account, before), lines(&expected));
        for reason in ["trial_ended", "payment_overdue", "boredom", ""] {
            let fields = refused(&call("suspend", &json!({"reason": reason})), 422, "validation_failed");
            assert!(fields["reason"].is_string(), "{reason}");
        }
        let nowhere = server.asks(&staff, "/api/v1/staff/accounts/x/suspend/", &json!({"reason": "abuse"}));
        refused(&nowhere.send(), 404, "not_found");
        site.is_healthy();
    });
}

#[test]
fn staff_who_give_no_reason_are_told_of_as_such() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let account = id(&member);
        let call = |path: &str, body: Value| data(&server.asks(&staff, path, &body).send());
        call(ASSIGN, json!({"account_id": account, "plan_slug": "enterprise"}));
        call(RENEW, json!({"account_id": account}));
        for action in ["plan.assigned", "subscription.renewed"] {
            assert_eq!(detail(&site, action)["reason"], "not given", "{action}");
        }
        call(&format!("/api/v1/staff/accounts/{account}/suspend/"), json!({}));
        let reasons = site.rows("SELECT suspend_reason FROM account WHERE status = 'suspended'", |row| {
            row.get::<String, _>(0)
        });
        assert_eq!(reasons, ["staff"]);
    });
}

#[test]
fn each_call_of_staffs_takes_effect_once_under_its_key() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        for (at, (path, body)) in calls(id(&member)).into_iter().enumerate() {
            let keyed = |body: &Value| {
                let request = server
                    .asks(&staff, &path, body)
                    .field("Idempotency-Key", &format!("key-{at}"));
                request.send()
            };
            let first = keyed(&body);
            data(&first);
            let before = money(&site);
            let again = keyed(&body);
            assert_eq!((again.status, again.text()), (200, first.text()), "{path}");
            assert_eq!(again.field("idempotency-replayed"), Some("true"), "{path}");
            let word = match path.as_str() {
                CONFIRM => "payer_name",
                RENEW | ASSIGN | ADJUST => "reason",
                _ => "note",
            };
            let other = keyed(&with(&body, &json!({word: "another word"})));
            refused(&other, 409, "idempotency_key_reused");
            assert_eq!(money(&site), before, "{path}");
        }
        site.is_healthy();
    });
}

#[test]
fn payments_that_are_waited_for_are_listed_to_staff_newest_first() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        let members: Vec<Member> = (0..3).map(|_| server.sign_up()).collect();
        for member in &members {
            let upgrade = json!({"plan_slug": "scale", "payment_method": "bank_transfer"});
            data(&server.asks(&member.access, UPGRADE, &upgrade).send());
        }
        let first = server.reads(&staff, "/api/v1/billing/pending/?limit=2");
        let cursor = first["next"].as_str().unwrap();
        let second = server.reads(&staff, &format!("/api/v1/billing/pending/?limit=2&cursor={cursor}"));
        let accounts: Vec<i64> = [&first, &second]
            .iter()
            .flat_map(|page| page["items"].as_array().unwrap())
            .map(|item| item["account_id"].as_i64().unwrap())
            .collect();
        let expected: Vec<i64> = members.iter().rev().map(id).collect();
        assert_eq!((accounts, &second["next"]), (expected, &Value::Null));
        // What has come is waited for no longer.
        data(
            &server
                .asks(&staff, CONFIRM, &transfer(id(&members[0]), "BT-1", "199.99"))
                .send(),
        );
        let left = server.reads(&staff, "/api/v1/billing/pending/");
        assert_eq!(left["items"].as_array().unwrap().len(), 2);
    });
}
