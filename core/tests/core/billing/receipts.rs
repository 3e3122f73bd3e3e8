//! Receipts and payments, as the account's people see them.

use super::*;
use crate::site::on_both;

/// A payer who would like to be a page.
const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ style }}{% raw %}";

#[test]
fn a_receipt_says_what_was_paid_for_as_data_and_as_a_page() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let body = with(
            &transfer(id(&member), "BT-<b>", "29.99"),
            &json!({"payer_name": HOSTILE}),
        );
        let paid = data(&server.asks(&staff, CONFIRM, &body).send());
        let receipt = server.reads(&member.access, "/api/v1/account/receipts/1/");
        assert_eq!((&receipt["number"], &receipt["name"]), (&json!(1), &json!("R-000001")));
        assert_eq!(
            (&receipt["amount"], &receipt["currency"]),
            (&json!("29.99"), &json!("USD"))
        );
        assert_eq!(
            (&receipt["payer_name"], &receipt["plan_name"]),
            (&json!(HOSTILE), &json!("Starter"))
        );
        assert_eq!(
            (&receipt["method"], &receipt["external_payment_id"]),
            (&json!("bank_transfer"), &json!("BT-<b>"))
        );
        assert_eq!(receipt["period_end"], paid["payment"]["period_end"]);
        assert_eq!(receipt["issued_at"], paid["payment"]["confirmed_at"]);
        let list = server.reads(&member.access, "/api/v1/account/receipts/");
        assert_eq!(list, json!({"items": [receipt], "next": null}));

        let page = server
            .get("/api/v1/account/receipts/1/print")
            .bearer(&member.access)
            .send();
        assert_eq!(
            (page.status, page.field("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        assert_eq!(page.field("cache-control"), Some("no-store"));
        let policy = page.field("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
        let html = page.text();
        assert!(html.contains("R-000001") && html.contains("29.99 USD"), "{html}");
        assert!(
            !html.contains("<script") && html.contains("&lt;script&gt;alert(1)&lt;"),
            "{html}"
        );
        assert!(html.contains("{{ style }}{% raw %}") && !html.contains("<b>"), "{html}");
        assert!(
            !html.contains("http://") && !html.contains("https://"),
            "nothing comes from elsewhere"
        );

        // It says what was true when it was issued.
        let patch = server.request("PATCH", "/api/v1/account/").bearer(&member.access);
        data(&patch.json(&json!({"name": "Another name"})).send());
        assert_eq!(
            server.reads(&member.access, "/api/v1/account/receipts/1/"),
            list["items"][0]
        );
    });
}

/// Who issued an account's receipts, the newest first.
fn sellers(server: &Server, access: &str) -> Vec<String> {
    let list = server.reads(access, "/api/v1/account/receipts/");
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["seller"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_receipt_names_who_issued_it_whoever_issues_them_by_now() {
    on_both(|site| {
        let server = site.serve_with(&[(SELLER, "\n Igny8 <Ltd> \r\n1 High Street\nVAT GB1\n")]);
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let pay = |server: &Server, external: &str| {
            let body = transfer(id(&member), external, "29.99");
            data(&server.asks(&staff, CONFIRM, &body).send())
        };
        let first = pay(&server, "BT-1");
        drop(server);
        let server = site.serve_with(&[(SELLER, "Another & Sons")]);
        pay(&server, "BT-2");
        assert_eq!(pay(&server, "BT-1"), first, "said again, nothing is issued again");
        drop(server);
        let server = site.serve();
        pay(&server, "BT-3");

        let issued = ["", "Another & Sons", "Igny8 <Ltd>\n1 High Street\nVAT GB1"];
        assert_eq!(sellers(&server, &member.access), issued);
        let pages = [
            None,
            Some("Another &amp; Sons"),
            Some("Igny8 &lt;Ltd&gt;\n1 High Street\nVAT GB1"),
        ];
        for (number, (seller, shown)) in [3, 2, 1].into_iter().zip(issued.into_iter().zip(pages)) {
            let path = format!("/api/v1/account/receipts/{number}/");
            assert_eq!(server.reads(&member.access, &path)["seller"], seller);
            let html = server
                .get(&format!("{path}print/"))
                .bearer(&member.access)
                .send()
                .text();
            let begins = html.split("<dl>\n").nth(1).unwrap();
            let expected = match shown {
                Some(lines) => format!("<dt>Issued by</dt><dd class=\"seller\">{lines}</dd>\n<dt>Account</dt>"),
                None => "<dt>Account</dt>".to_owned(),
            };
            assert!(begins.starts_with(&expected), "{html}");
        }
        site.is_healthy();
    });
}

/// What a core that knows of no seller writes for a payment; its receipt is number 2.
const WITHOUT_SELLER: [&str; 3] = [
    "INSERT INTO payment (account_id, method, status, plan_id, amount_minor, currency, external_payment_id, payer_name, \
     subscription_number, period_sequence, period_start_us, period_end_us, created_at_us, confirmed_at_us) \
     SELECT account_id, method, status, plan_id, amount_minor, currency, 'BT-2', payer_name, subscription_number, \
     period_sequence, period_start_us, period_end_us, created_at_us, confirmed_at_us FROM payment",
    "UPDATE receipt_counter SET last_number = last_number + 1 WHERE id = 1",
    "INSERT INTO receipt (number, account_id, payment_id, account_name, payer_name, plan_name, amount_minor, currency, \
     method, external_payment_id, period_start_us, period_end_us, issued_at_us) \
     SELECT 2, account.id, payment.id, account.name, payment.payer_name, plan.name, payment.amount_minor, \
     payment.currency, payment.method, payment.external_payment_id, payment.period_start_us, payment.period_end_us, 0 \
     FROM payment JOIN account ON account.id = payment.account_id JOIN plan ON plan.id = payment.plan_id \
     WHERE payment.external_payment_id = 'BT-2'",
];

#[test]
fn receipts_of_a_core_that_knows_of_no_seller_stand_beside_those_that_name_one() {
    on_both(|site| {
        let serve = || site.serve_with(&[(SELLER, "Igny8 Ltd\nVAT GB1")]);
        let server = serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let pay = |server: &Server, external: &str| {
            let body = transfer(id(&member), external, "29.99");
            data(&server.asks(&staff, CONFIRM, &body).send());
        };
        let first = "/api/v1/account/receipts/1/";
        pay(&server, "BT-1");
        let before = server.reads(&member.access, first);
        assert_eq!(before["seller"], "Igny8 Ltd\nVAT GB1");
        drop(server);

        let told = site.must(&["migrate", "down", "--to", "28"]);
        assert!(
            told.contains("0029_receipt_seller, lost: who issued each receipt."),
            "{told}"
        );
        assert_eq!(site.number("SELECT COUNT(*) FROM receipt"), 1);
        site.must(&["migrate", "up"]);
        for statement in WITHOUT_SELLER {
            assert_eq!(site.sql(statement), Ok(1), "{statement}");
        }

        let server = serve();
        pay(&server, "BT-3");
        assert_eq!(sellers(&server, &member.access), ["Igny8 Ltd\nVAT GB1", "", ""]);
        let after = server.reads(&member.access, first);
        assert_eq!(after, with(&before, &json!({"seller": ""})), "all else was kept");
        site.is_healthy();
    });
}

#[test]
fn receipts_of_others_and_numbers_that_are_none_are_not_found() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member, other) = (staff(&site, &server), server.sign_up(), server.sign_up());
        data(
            &server
                .asks(&staff, CONFIRM, &transfer(id(&member), "BT-1", "29.99"))
                .send(),
        );
        for number in ["1", "2", "0", "-1", "+1", "1.0", "x", "%FF", "99999999999999999999"] {
            for form in ["", "print/"] {
                let path = format!("/api/v1/account/receipts/{number}/{form}");
                refused(&server.get(&path).bearer(&other.access).send(), 404, "not_found");
            }
        }
        refused(
            &server.get("/api/v1/account/receipts/1/").send(),
            401,
            "credentials_required",
        );
        let nothing = json!({"items": [], "next": null});
        for path in ["receipts", "payments"] {
            assert_eq!(
                server.reads(&other.access, &format!("/api/v1/account/{path}/")),
                nothing
            );
        }
    });
}

#[test]
fn payments_and_receipts_are_read_page_by_page() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        for at in 1..=5 {
            data(
                &server
                    .asks(&staff, CONFIRM, &transfer(id(&member), &format!("BT-{at}"), "29.99"))
                    .send(),
            );
        }
        for (list, key) in [("payments", "external_payment_id"), ("receipts", "external_payment_id")] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/v1/account/{list}/?limit=2{cursor}");
                let page = server.reads(&member.access, &path);
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= 2);
                seen.extend(items.iter().map(|item| item[key].as_str().unwrap().to_owned()));
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, ["BT-5", "BT-4", "BT-3", "BT-2", "BT-1"]);
            for query in ["limit=0", "cursor=x", "page=1"] {
                let path = format!("/api/v1/account/{list}/?{query}");
                refused(
                    &server.get(&path).bearer(&member.access).send(),
                    422,
                    "validation_failed",
                );
            }
        }
        let confirmed = &server.reads(&member.access, "/api/v1/account/payments/")["items"][0];
        assert_eq!(
            (&confirmed["status"], &confirmed["receipt_number"]),
            (&json!("confirmed"), &json!(5))
        );
        assert!(confirmed["confirmed_at"].is_string() && confirmed["period_start"].is_string());
    });
}
