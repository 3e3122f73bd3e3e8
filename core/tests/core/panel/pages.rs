//! What the pages show, whom they show it to, and what their forms do.

use super::{Browser, Form, form};
use crate::site::{Member, PASSWORD, Server, Site, new_email, on_both};
use serde_json::{Value, json};

/// Every page, with an account of this number and a payment of that.
fn pages(account: i64, payment: i64) -> Vec<String> {
    let mut pages: Vec<String> = [
        "",
        "accounts.csv",
        "plans/",
        "proxies/",
        "payments/",
        "payments.csv",
        "no-such-page/",
    ]
    .map(|page| format!("/admin/{page}"))
    .into();
    pages.extend(
        ["", "ledger/", "ledger.csv", "audit/", "audit.csv", "keys/", "people/"]
            .map(|page| format!("/admin/accounts/{account}/{page}")),
    );
    pages.push(format!("/admin/payments/{payment}/"));
    pages
}

/// Every action: what its form holds beside the hidden fields.
fn actions(account: i64, payment: i64) -> Vec<(String, Vec<(&'static str, String)>)> {
    let act = |name: &str| format!("/admin/accounts/{account}/{name}/");
    let why = || ("reason", "so".to_owned());
    vec![
        (
            act("suspend"),
            vec![("reason", "abuse".into()), ("note", "spam".into())],
        ),
        (act("reinstate"), vec![]),
        (
            act("adjust-credits"),
            vec![("amount", "500".into()), ("kind", "bonus".into()), why()],
        ),
        (act("assign-plan"), vec![("plan_slug", "enterprise".into()), why()]),
        (act("renew"), vec![why()]),
        (act("revoke-key"), vec![("key", "1".into())]),
        (act("end-sign-ins"), vec![("user", "1".into())]),
        (
            format!("/admin/payments/{payment}/confirm/"),
            vec![
                ("account_id", account.to_string()),
                ("external_payment_id", "BT-1".into()),
                ("amount", "29.99".into()),
                ("payer_name", "Ada".into()),
            ],
        ),
        ("/admin/sign-out/".into(), vec![]),
    ]
}

pub(super) fn account_id(member: &Member) -> i64 {
    member.data["account"]["id"].as_i64().unwrap()
}

/// Somebody who has asked for a paid plan, and the number of their payment.
pub(super) fn payer(site: &Site, server: &Server) -> (Member, i64) {
    let member = server.sign_up();
    let body = json!({"plan_slug": "starter", "payment_method": "bank_transfer"});
    let asked = server
        .post("/api/v1/account/upgrade/")
        .bearer(&member.access)
        .json(&body)
        .send();
    assert_eq!(asked.status, 200, "{}", asked.text());
    let number = site.number(&format!(
        "SELECT MAX(id) FROM payment WHERE account_id = {}",
        account_id(&member)
    ));
    (member, number)
}

/// The hidden fields of the sign-out form, which every page has.
pub(super) fn hidden(browser: &mut Browser<'_>) -> Form {
    form(&browser.get("/admin/"), "/admin/sign-out/")
}

pub(super) fn with(mut hidden: Form, values: &[(&'static str, String)]) -> Form {
    hidden.extend(values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    hidden
}

#[test]
fn whoever_is_not_signed_in_is_led_to_the_sign_in_and_nothing_happens() {
    on_both(|site| {
        let server = site.serve();
        let (member, payment) = payer(&site, &server);
        let id = account_id(&member);
        let before = site.counts();
        let mut nobody = Browser::new(&server);
        nobody.cookies.insert("igny8_refresh".into(), "igr_x".into());
        for page in pages(id, payment) {
            let answer = nobody.get(&page);
            assert_eq!(
                (answer.status, answer.field("location")),
                (303, Some("/admin/sign-in/")),
                "{page}"
            );
            // A customer's token opens nothing either.
            let answer = server.get(&page).bearer(&member.access).send();
            assert_eq!(answer.status, 303, "{page}");
        }
        for (action, values) in actions(id, payment) {
            let answer = nobody.post(&action, &with(Form::new(), &values));
            assert_eq!(
                (answer.status, answer.field("location")),
                (303, Some("/admin/sign-in/")),
                "{action}"
            );
        }
        assert_eq!(site.counts(), before);
        assert_eq!(server.get("/admin").send().field("location"), Some("/admin/"));
    });
}

#[test]
fn staff_see_every_page_in_its_strict_dress() {
    on_both(|site| {
        let server = site.serve();
        let (member, payment) = payer(&site, &server);
        let mut staff = Browser::of_staff(&site, &server, "developer");
        let mut all = pages(account_id(&member), payment);
        all.extend(["/admin/sign-in/", "/admin/panel.css"].map(str::to_owned));
        for page in all {
            let answer = staff.get(&page);
            let expected = if page.contains("no-such") { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{page}: {}", answer.text());
            let policy = answer.field("content-security-policy").unwrap_or_default();
            assert_eq!(
                policy,
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'",
                "{page}"
            );
            assert_eq!(answer.field("x-frame-options"), Some("DENY"), "{page}");
            assert_eq!(answer.field("referrer-policy"), Some("same-origin"), "{page}");
            assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{page}");
            let kept = if page.ends_with(".css") { "no-cache" } else { "no-store" };
            assert_eq!(answer.field("cache-control"), Some(kept), "{page}");
            let text = answer.text();
            assert!(!text.contains("<script") && !text.contains(" style="), "{page}: {text}");
        }
        // Staff's own account is no customer's.
        let own = site.number("SELECT id FROM account WHERE kind = 'staff'");
        let mut missing = vec![
            "accounts/999999/".to_owned(),
            "accounts/x/".into(),
            "payments/999999/".into(),
        ];
        missing.extend(
            ["", "ledger/", "ledger.csv", "audit/", "audit.csv", "keys/", "people/"]
                .map(|page| format!("accounts/{own}/{page}")),
        );
        for missing in missing {
            assert_eq!(staff.get(&format!("/admin/{missing}")).status, 404, "{missing}");
        }
    });
}

#[test]
fn a_form_that_was_not_made_for_this_session_does_nothing() {
    on_both(|site| {
        let server = site.serve();
        let (member, payment) = payer(&site, &server);
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let mut other = Browser::of_staff(&site, &server, "admin");
        let (own, foreign) = (hidden(&mut staff), hidden(&mut other));
        let before = site.counts();
        for (action, values) in actions(account_id(&member), payment) {
            let send = |browser: &mut Browser<'_>, hidden: Form, fields: &[(&str, &str)]| {
                browser.post_with(&action, &with(hidden, &values), fields).status
            };
            let mut without = own.clone();
            without.remove("csrf");
            assert_eq!(send(&mut staff, without, &[]), 403, "{action}: none");
            assert_eq!(
                send(&mut staff, foreign.clone(), &[]),
                403,
                "{action}: another session's"
            );
            for field in [
                ("Origin", "http://evil.example"),
                ("Origin", "null"),
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Site", "same-site"),
            ] {
                assert_eq!(send(&mut staff, own.clone(), &[field]), 403, "{action}: {field:?}");
            }
            let json = server
                .post(&action)
                .cookie(&format!("sessionid={}", staff.cookies["sessionid"]));
            assert_eq!(
                json.json(&json!({"csrf": own["csrf"], "once": "1"})).send().status,
                400,
                "{action}: no form"
            );
        }
        let mut planted = Browser::new(&server);
        let mut sign_in = form(&planted.get("/admin/sign-in/"), "/admin/sign-in/");
        planted
            .cookies
            .insert("igny8_panel_form".into(), "of-somebody-else".into());
        sign_in.insert("email".into(), "a@example.com".into());
        assert_eq!(planted.post("/admin/sign-in/", &sign_in).status, 403);
        assert_eq!(site.counts(), before);
    });
}

#[test]
fn hostile_names_are_shown_and_never_run_nor_calculated() {
    on_both(|site| {
        let server = site.serve();
        let name = "=cmd|'<script>alert(1)</script>\"{{ csrf }}{% raw %}";
        let body =
            json!({"email": new_email(), "password": PASSWORD, "account_name": name, "first_name": "<img src=x>"});
        let made = server.register(&body);
        assert_eq!(made.status, 201, "{}", made.text());
        let data: Value = made.json()["data"].clone();
        let id = data["account"]["id"].as_i64().unwrap();
        let access = data["access"].as_str().unwrap();
        let asked = json!({"plan_slug": "starter", "payment_method": "bank_transfer"});
        assert_eq!(
            server
                .post("/api/v1/account/upgrade/")
                .bearer(access)
                .json(&asked)
                .send()
                .status,
            200
        );
        let spent = json!({"amount": 1, "description": "=HYPERLINK(\"<b>\")"});
        assert_eq!(
            server
                .post("/api/v1/credits/consume/")
                .bearer(access)
                .json(&spent)
                .send()
                .status,
            200
        );
        let payment = site.number("SELECT MAX(id) FROM payment");
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let search = "/admin/?q=%3Cscript%3Ealert(2)%22&status=&plan=".to_owned();
        for page in pages(id, payment).into_iter().chain([search]) {
            let text = staff.get(&page).text();
            if page.ends_with(".csv") {
                assert!(
                    !text
                        .split([',', '\n'])
                        .any(|cell| cell.trim_start_matches('"').starts_with('=')),
                    "{page}: {text}"
                );
            } else {
                for markup in ["<script", "<img", "<b>\")"] {
                    assert!(!text.contains(markup), "{page}: {text}");
                }
            }
        }
        let shown = staff.get(&format!("/admin/accounts/{id}/")).text();
        assert!(shown.contains("{{ csrf }}"), "a name is no template: {shown}");
    });
}

#[test]
fn accounts_are_found_by_words_status_and_plan_and_lists_go_on_page_by_page() {
    on_both(|site| {
        let server = site.serve();
        let members: Vec<Member> = (0..3).map(|_| server.sign_up()).collect();
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let mut found = |query: &str| {
            let text = staff.get(&format!("/admin/?{query}")).text();
            members
                .iter()
                .map(|member| text.contains(&member.email))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&format!("q={}", members[1].email)), [false, true, false]);
        assert!(found(&format!("q={}", account_id(&members[2])))[2]);
        assert_eq!(found("status=trial&plan=free-trial"), [true, true, true]);
        for none in [
            "status=suspended",
            "plan=growth",
            "plan=no-such-plan",
            "status=trial&plan=free",
        ] {
            assert_eq!(found(none), [false, false, false], "{none}");
        }
        assert_eq!(found("limit=2"), [false, true, true]);
        let page = staff.get("/admin/?limit=2&status=trial").text();
        let next = page
            .split("href=\"/admin/?")
            .find(|link| link.contains("cursor="))
            .unwrap();
        let next = next.split('"').next().unwrap().replace("&amp;", "&");
        assert!(next.contains("status=trial"), "{next}");
        let older = staff.get(&format!("/admin/?{next}")).text();
        assert!(
            older.contains(&members[0].email) && !older.contains(&members[1].email),
            "{older}"
        );
        let answer = staff.get("/admin/accounts.csv?status=trial");
        assert_eq!(
            answer.field("content-type"),
            Some("text/csv; charset=utf-8; header=present")
        );
        assert_eq!(answer.text().lines().count(), 4, "{}", answer.text());
        // However long a list is, its table has all of it.
        let id = account_id(&members[0]);
        let series = match site.engine {
            "sqlite" => {
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7000) SELECT i FROM n"
            }
            _ => "SELECT generate_series(1, 7000) AS i",
        };
        site.sql(&format!(
            "INSERT INTO audit (account_id, actor_kind, action, detail, request_id, created_at_us) \
             SELECT {id}, 'system', 'payment.failed', '{{}}', '', numbers.i FROM ({series}) AS numbers"
        ))
        .unwrap();
        let lines = site.number(&format!("SELECT COUNT(*) FROM audit WHERE account_id = {id}"));
        let table = staff.get(&format!("/admin/accounts/{id}/audit.csv")).text();
        assert_eq!(i64::try_from(table.lines().count()).unwrap(), lines + 1);
        let mut numbers: Vec<&str> = table
            .lines()
            .skip(1)
            .map(|row| row.split(',').next().unwrap())
            .collect();
        let all = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "each line once");
        assert_eq!(staff.get("/admin/?status=x").status, 422);
    });
}

#[test]
fn a_customers_ledger_audit_and_keys_go_on_page_by_page() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        for name in ["one", "two", "three"] {
            let body = json!({"name": name, "role": "editor"});
            let ask = server.post("/api/v1/account/api-keys/").bearer(&member.access);
            assert_eq!(ask.json(&body).send().status, 201);
        }
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let page = format!("/admin/accounts/{}/", account_id(&member));
        let bonus = [("amount", "5"), ("kind", "bonus"), ("reason", "so")];
        assert_eq!(staff.send(&page, &format!("{page}adjust-credits/"), &bonus).status, 303);
        for (list, least) in [("ledger", 2), ("audit", 4), ("keys", 3)] {
            let mut rows_and_next = |query: &str| {
                let text = staff.get(&format!("{page}{list}/{query}")).text();
                let (_, body) = text.split_once("<tbody>").unwrap();
                let (table, after) = body.split_once("</tbody>").unwrap();
                // A form's hidden fields are another time other ones.
                let rows = table
                    .split("<tr>")
                    .skip(1)
                    .map(|row| row.split("<form").next().unwrap().to_owned());
                let rows: Vec<String> = rows.collect();
                let next = after.split_once(&format!("href=\"{page}{list}/"));
                (rows, next.map(|(_, next)| next.split('"').next().unwrap().to_owned()))
            };
            let (all, nothing) = rows_and_next("");
            assert!(all.len() >= least && nothing.is_none(), "{list}: {all:?}");
            let (first, next) = rows_and_next("?limit=1");
            let (rest, nothing) = rows_and_next(&next.unwrap());
            assert!(first.len() == 1 && nothing.is_none(), "{list}: {first:?} {rest:?}");
            assert_eq!([first, rest].concat(), all, "{list}");
        }
    });
}
