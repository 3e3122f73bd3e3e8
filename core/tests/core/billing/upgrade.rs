//! What an account's own people do: ask for a plan, end and take up their subscription, name their account.

use super::*;
use crate::site::on_both;
use std::os::unix::fs::PermissionsExt;

fn wish(plan: &str, method: &str) -> Value {
    json!({"plan_slug": plan, "payment_method": method})
}

/// A user of the account in another role, with a new token.
fn in_role(site: &Site, server: &Server, member: &Member, role: &str) -> String {
    let of_user = format!("UPDATE users SET role = '{role}' WHERE email = '{}'", member.email);
    site.sql(&of_user).unwrap();
    sign_in(server, &member.email)
}

#[test]
fn asking_for_a_plan_creates_a_pending_payment_and_changes_nothing_else() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let look = || {
            [
                "/api/v1/account/",
                "/api/v1/account/subscription/",
                "/api/v1/credits/",
                "/api/v1/credits/transactions/",
                "/api/v1/account/receipts/",
            ]
            .map(|path| server.reads(&member.access, path))
        };
        let row = || {
            let sql = "SELECT status, plan_id, credits, ledger_sequence, due_us, epoch FROM account";
            site.rows(sql, |row| {
                let numbers = ["plan_id", "credits", "ledger_sequence", "due_us", "epoch"];
                (
                    row.get::<String, _>("status"),
                    numbers.map(|name| row.get::<i64, _>(name)),
                )
            })
        };
        let (seen, stored, counted, line) = (look(), row(), money(&site), last_audit(&site));
        let asked = data(
            &server
                .asks(&member.access, UPGRADE, &wish("starter", "bank_transfer"))
                .send(),
        );
        assert_eq!(
            (&asked["status"], &asked["amount"]),
            (&json!("pending"), &json!("29.99"))
        );
        assert_eq!(
            (&asked["currency"], &asked["plan"]["slug"]),
            (&json!("USD"), &json!("starter"))
        );
        let reference = asked["reference"].as_str().unwrap();
        assert_eq!((reference.len(), &reference[..4]), (14, "IGN-"));
        let instructions = asked["instructions"].as_str().unwrap();
        assert!(
            instructions.contains(reference) && instructions.contains("29.99 USD"),
            "{instructions}"
        );

        assert_eq!(look(), seen);
        assert_eq!(row(), stored);
        let changed: Vec<_> = std::iter::zip(money(&site), counted)
            .filter(|(after, before)| after != before)
            .map(|(after, before)| (after.0, after.1 - before.1))
            .collect();
        assert_eq!(changed, [("payment", 1), ("audit", 1)]);
        assert_eq!(audit(&site, id(&member), line), lines(&[("user", "payment.requested")]));
        let payments = server.reads(&member.access, "/api/v1/account/payments/");
        assert_eq!(payments["items"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&payments["items"][0]["status"], &payments["next"]),
            (&json!("pending"), &Value::Null)
        );
        assert_eq!(payments["items"][0]["reference"], reference);
        site.is_healthy();
    });
}

#[test]
fn asked_for_again_it_is_the_same_and_another_plan_takes_its_place() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let ask = |plan: &str| {
            data(
                &server
                    .asks(&member.access, UPGRADE, &wish(plan, "bank_transfer"))
                    .send(),
            )
        };
        let (first, again, other) = (ask("starter"), ask("starter"), ask("growth"));
        assert_eq!(first, again);
        assert_ne!(first["reference"], other["reference"]);
        assert_eq!(other["amount"], "79.99");
        let pending = server.reads(&staff, "/api/v1/billing/pending/");
        assert_eq!(pending["items"].as_array().unwrap().len(), 1);
        let waiting = &pending["items"][0];
        assert_eq!(
            (&waiting["reference"], &waiting["plan_slug"]),
            (&other["reference"], &json!("growth"))
        );
        assert_eq!(
            (&waiting["account_id"], &waiting["amount"]),
            (&json!(id(&member)), &json!("79.99"))
        );
        assert_eq!(waiting["account_name"], member.data["account"]["name"]);
        assert!(waiting["created_at"].is_string());
        let statuses: Vec<_> = server.reads(&member.access, "/api/v1/account/payments/")["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|payment| payment["status"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(statuses, ["pending", "withdrawn"]);
    });
}

#[test]
fn what_cannot_be_paid_for_cannot_be_asked_for() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let before = money(&site);
        for (body, status, code, field) in [
            (
                wish("no-such-plan", "bank_transfer"),
                422,
                "validation_failed",
                "plan_slug",
            ),
            (wish("free", "bank_transfer"), 422, "validation_failed", "plan_slug"),
            (
                wish("free-trial", "bank_transfer"),
                422,
                "validation_failed",
                "plan_slug",
            ),
            (wish("enterprise", "bank_transfer"), 403, "enterprise_needs_staff", ""),
            (wish("starter", "manual"), 422, "validation_failed", "payment_method"),
            (wish("starter", "trial"), 422, "validation_failed", "payment_method"),
            (wish("starter", "stripe"), 422, "payment_method_unavailable", ""),
            (
                json!({"plan_slug": "starter"}),
                422,
                "validation_failed",
                "payment_method",
            ),
            (
                json!({"payment_method": "stripe"}),
                422,
                "validation_failed",
                "plan_slug",
            ),
            (
                with(&wish("starter", "stripe"), &json!({"amount": "1.00"})),
                422,
                "validation_failed",
                "amount",
            ),
        ] {
            let answer = server.asks(&member.access, UPGRADE, &body).send();
            let fields = refused(&answer, status, code);
            assert!(field.is_empty() || fields[field].is_string(), "{body}: {fields}");
        }
        site.sql("UPDATE plan SET is_active = 0 WHERE slug = 'growth'").unwrap();
        let closed = server
            .asks(&member.access, UPGRADE, &wish("growth", "bank_transfer"))
            .send();
        assert!(refused(&closed, 422, "validation_failed")["plan_slug"].is_string());
        assert_eq!(money(&site), before);
    });
}

#[test]
fn people_are_told_how_to_pay() {
    on_both(|site| {
        let secret = site.folder.path().join("stripe_secret");
        std::fs::write(&secret, "whsec_0123456789abcdefghij\n").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let server = site.serve_with(&[
            ("IGNY8_CORE__BILLING__BANK_DETAILS", "IGN Bank, account 12, payee Igny8"),
            ("IGNY8_CORE__STRIPE__WEBHOOK_SECRET_FILE", secret.to_str().unwrap()),
            ("IGNY8_CORE__STRIPE__PAYMENT_URL", "https://pay.example.com/starter"),
        ]);
        let member = server.sign_up();
        let by_bank = data(
            &server
                .asks(&member.access, UPGRADE, &wish("starter", "bank_transfer"))
                .send(),
        );
        assert!(
            by_bank["instructions"]
                .as_str()
                .unwrap()
                .contains("IGN Bank, account 12, payee Igny8")
        );
        assert_eq!(by_bank["payment_url"], Value::Null);
        let by_card = data(&server.asks(&member.access, UPGRADE, &wish("starter", "stripe")).send());
        let reference = by_card["reference"].as_str().unwrap();
        assert_ne!(by_bank["reference"], reference);
        let url = format!("https://pay.example.com/starter?client_reference_id={reference}");
        assert_eq!(by_card["payment_url"], url);
        assert!(by_card["instructions"].as_str().unwrap().contains(&url));
    });
}

#[test]
fn sent_again_under_its_key_a_request_takes_effect_once() {
    on_both(|site| {
        let server = site.serve();
        let (member, other) = (server.sign_up(), server.sign_up());
        let keyed = |member: &Member, body: &Value| {
            let request = server
                .asks(&member.access, UPGRADE, body)
                .field("Idempotency-Key", "k-1");
            request.send()
        };
        // What is refused is not kept: the same key may be used for what is right.
        refused(
            &keyed(&member, &wish("free", "bank_transfer")),
            422,
            "validation_failed",
        );
        let first = keyed(&member, &wish("starter", "bank_transfer"));
        data(
            &server
                .asks(&member.access, UPGRADE, &wish("growth", "bank_transfer"))
                .send(),
        );
        let before = money(&site);
        let again = keyed(&member, &wish("starter", "bank_transfer"));
        assert_eq!((data(&again), again.text()), (data(&first), first.text()));
        assert_eq!(again.field("idempotency-replayed"), Some("true"));
        refused(
            &keyed(&member, &wish("growth", "bank_transfer")),
            409,
            "idempotency_key_reused",
        );
        assert_eq!(money(&site), before);
        // Another account's key of the same name is another key.
        assert_ne!(data(&keyed(&other, &wish("starter", "bank_transfer"))), data(&first));
        let keys = site.number("SELECT COUNT(*) FROM idempotency_key");
        assert_eq!(keys, 2);
    });
}

#[test]
fn a_subscription_is_ended_with_its_period_and_taken_up_again_by_its_owner() {
    on_both(|site| {
        let server = site.serve_with(&[ON]);
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let before = last_audit(&site);
        let call = |verb: &str| {
            server
                .post(&format!("/api/v1/account/{verb}/"))
                .bearer(&member.access)
                .send()
        };
        for (verb, cancelled) in [("cancel", true), ("cancel", true), ("resume", false), ("resume", false)] {
            let subscription = data(&call(verb));
            assert_eq!(subscription["cancel_at_period_end"], cancelled, "{verb}");
            assert_eq!(subscription["status"], "trialing", "{verb}");
            assert_eq!(
                server.reads(&member.access, "/api/v1/account/subscription/"),
                subscription
            );
        }
        let expected = [
            ("user", "subscription.cancel_requested"),
            ("user", "subscription.cancel_undone"),
        ];
        assert_eq!(audit(&site, id(&member), before), lines(&expected));
        advance(&server, &staff, 20 * DAY);
        for verb in ["cancel", "resume"] {
            refused(&call(verb), 409, "subscription_ended");
        }
    });
}

#[test]
fn each_role_may_do_what_is_its_own() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        for (role, may_upgrade, may_cancel, may_name) in [
            ("owner", true, true, true),
            ("admin", true, false, true),
            ("editor", false, false, false),
            ("viewer", false, false, false),
        ] {
            let access = in_role(&site, &server, &member, role);
            let upgrade = server.asks(&access, UPGRADE, &wish("starter", "bank_transfer")).send();
            let cancel = server.asks(&access, "/api/v1/account/cancel/", &json!({})).send();
            let resume = server.asks(&access, "/api/v1/account/resume/", &json!({})).send();
            let name = server.request("PATCH", "/api/v1/account/").bearer(&access);
            let name = name.json(&json!({"name": format!("By {role}")})).send();
            for (answer, may) in [
                (&upgrade, may_upgrade),
                (&cancel, may_cancel),
                (&resume, may_cancel),
                (&name, may_name),
            ] {
                if may {
                    data(answer);
                } else {
                    refused(answer, 403, "role_required");
                }
            }
            for path in ["payments", "receipts"] {
                server.reads(&access, &format!("/api/v1/account/{path}/"));
            }
        }
        let name: Vec<String> = site.rows("SELECT name FROM account", |row| row.get(0));
        assert_eq!(name, ["By admin"]);
    });
}

#[test]
fn an_account_is_named_by_its_people_and_the_audit_knows() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let before = last_audit(&site);
        let patch = |body: &Value| {
            let request = server.request("PATCH", "/api/v1/account/").bearer(&member.access);
            request.json(body).send()
        };
        let account = data(&patch(&json!({"name": "  Analytical Engines "})));
        assert_eq!(account["name"], "Analytical Engines");
        assert_eq!(data(&patch(&json!({"name": "Analytical Engines"}))), account);
        assert_eq!(data(&patch(&json!({}))), account);
        for (body, field) in [
            (json!({"name": " "}), "name"),
            (json!({"name": "x".repeat(101)}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"name": 5}), "name"),
            (json!({"status": "active"}), "status"),
            (json!({"credits": 1}), "credits"),
        ] {
            let fields = refused(&patch(&body), 422, "validation_failed");
            assert!(fields[field].is_string(), "{body}: {fields}");
        }
        assert_eq!(server.reads(&member.access, "/api/v1/account/"), account);
        assert_eq!(audit(&site, id(&member), before), lines(&[("user", "account.renamed")]));
        let told = detail(&site, "account.renamed");
        assert_eq!(told["name"]["after"], "Analytical Engines");
        assert!(told["name"]["before"].is_string(), "{told}");
    });
}
