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

fn account_id(member: &Member) -> i64 {
    member.data["account"]["id"].as_i64().unwrap()
}

/// Somebody who has asked for a paid plan, and the number of their payment.
fn payer(site: &Site, server: &Server) -> (Member, i64) {
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
fn hidden(browser: &mut Browser<'_>) -> Form {
    form(&browser.get("/admin/"), "/admin/sign-out/")
}

fn with(mut hidden: Form, values: &[(&'static str, String)]) -> Form {
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
fn a_transfer_is_confirmed_in_three_clicks_and_twice_is_once() {
    on_both(|site| {
        let server = site.serve();
        let (member, payment) = payer(&site, &server);
        let id = account_id(&member);
        let mut staff = Browser::of_staff(&site, &server, "admin");
        // One: the list. Two: the payment. Three: confirm.
        let list = staff.get("/admin/payments/").text();
        let page = format!("/admin/payments/{payment}/");
        assert!(list.contains(&format!("href=\"{page}\"")), "{list}");
        let action = format!("{page}confirm/");
        let filled = form(&staff.get(&page), &action);
        let answer = staff.post(&action, &filled);
        let account = format!("/admin/accounts/{id}/");
        assert_eq!(
            (answer.status, answer.field("location")),
            (303, Some(account.as_str())),
            "{}",
            answer.text()
        );
        let shown = staff.get(&account).text();
        assert!(
            shown.contains("The payment is confirmed.") && shown.contains("class=\"paid\""),
            "{shown}"
        );
        assert!(
            !staff.get(&account).text().contains("The payment is confirmed."),
            "a note is shown once"
        );
        let counts = site.counts();
        let again = staff.post(&action, &filled);
        assert_eq!(
            (again.status, again.field("location")),
            (303, Some(account.as_str())),
            "{}",
            again.text()
        );
        assert_eq!(site.counts(), counts, "sent twice, it took effect twice");
        assert_eq!(staff.get(&page).status, 404, "it is waited for no longer");
        let standing = server.get("/api/v1/account/").bearer(&member.access).send().json();
        assert_eq!(standing["data"]["plan"]["slug"], "starter", "{standing}");
        site.is_healthy();
    });
}

#[test]
fn another_amount_is_taken_for_a_reason_alone() {
    on_both(|site| {
        let server = site.serve();
        let (member, payment) = payer(&site, &server);
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let (page, action) = (
            format!("/admin/payments/{payment}/"),
            format!("/admin/payments/{payment}/confirm/"),
        );
        let refused = staff.send(&page, &action, &[("amount", "20.00"), ("payer_name", "Ada \"<b>")]);
        assert_eq!(refused.status, 422, "{}", refused.text());
        let text = refused.text();
        assert!(
            text.contains("29.99 USD is expected") && text.contains("value=\"20.00\""),
            "{text}"
        );
        assert!(
            text.contains("Ada &quot;&lt;b&gt;"),
            "what was typed comes back, escaped: {text}"
        );
        let mut again = form(&refused, &action);
        again.insert("override_reason".into(), "agreed by telephone".into());
        assert_eq!(staff.post(&action, &again).status, 303);
        let kept = format!(
            "SELECT COUNT(*) FROM payment WHERE account_id = {} AND override_reason = 'agreed by telephone'",
            account_id(&member)
        );
        assert_eq!(site.number(&kept), 1);
        assert_eq!(staff.send("/admin/payments/", "/admin/sign-out/", &[]).status, 303);
    });
}

#[test]
fn what_staff_do_takes_effect_once_and_the_audit_names_them() {
    on_both(|site| {
        let server = site.serve();
        let (member, _) = payer(&site, &server);
        let id = account_id(&member);
        let made = server
            .post("/api/v1/account/api-keys/")
            .bearer(&member.access)
            .json(&json!({"name": "build", "role": "editor"}))
            .send();
        let secret = made.json()["data"]["key"].as_str().unwrap_or_default().to_owned();
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let page = format!("/admin/accounts/{id}/");
        for (name, values, note, sql) in [
            (
                "adjust-credits",
                vec![("amount", "500"), ("kind", "bonus"), ("reason", "sorry")],
                "adjusted",
                "SELECT credits FROM account WHERE id = ID AND credits = 2500",
            ),
            (
                "suspend",
                vec![("reason", "abuse"), ("note", "spam")],
                "suspended",
                "SELECT 1 FROM account WHERE id = ID AND status = 'suspended'",
            ),
            (
                "reinstate",
                vec![],
                "stands as",
                "SELECT 1 FROM account WHERE id = ID AND status = 'trial'",
            ),
            (
                "assign-plan",
                vec![("plan_slug", "enterprise"), ("reason", "by contract")],
                "assigned",
                "SELECT 1 FROM account JOIN plan ON plan.id = account.plan_id WHERE account.id = ID AND plan.slug = 'enterprise'",
            ),
            (
                "renew",
                vec![("reason", "by contract")],
                "renewed",
                "SELECT 1 FROM subscription_period JOIN subscription ON subscription.id = subscription_id WHERE account_id = ID AND sequence = 2",
            ),
        ] {
            let action = format!("{page}{name}/");
            let filled: Vec<_> = values
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect();
            let filled = with(form(&staff.get(&page), &action), &filled);
            for round in ["first", "again"] {
                let answer = staff.post(&action, &filled);
                assert_eq!(
                    (answer.status, answer.field("location")),
                    (303, Some(page.as_str())),
                    "{name} {round}: {}",
                    answer.text()
                );
                let shown = staff.get(&page).text();
                assert!(shown.contains(note), "{name}: {shown}");
                assert_eq!(
                    site.rows(&sql.replace("ID", &id.to_string()), |_| ()).len(),
                    1,
                    "{name} {round}"
                );
            }
            // The same form with another content is no repetition.
            let other = with(filled.clone(), &[("note", "else".into())]);
            assert_eq!(staff.post(&action, &other).status, 409, "{name}");
        }
        let keys = format!("{page}keys/");
        let shown = staff.get(&keys).text();
        assert!(
            shown.contains("build") && (secret.is_empty() || !shown.contains(&secret)),
            "{shown}"
        );
        assert_eq!(staff.send(&keys, &format!("{page}revoke-key/"), &[]).status, 303);
        assert_eq!(
            site.number("SELECT COUNT(*) FROM api_key WHERE revoked_at_us IS NULL"),
            0
        );
        assert_eq!(
            staff
                .send(&format!("{page}people/"), &format!("{page}end-sign-ins/"), &[])
                .status,
            303
        );
        assert_eq!(server.get("/api/v1/auth/me/").bearer(&member.access).send().status, 401);
        let by_staff =
            format!("SELECT COUNT(DISTINCT action) FROM audit WHERE account_id = {id} AND actor_kind = 'staff'");
        assert!(
            site.number(&by_staff) >= 7,
            "{}",
            staff.get(&format!("{page}audit/")).text()
        );
        site.is_healthy();
    });
}

#[test]
fn a_key_or_a_person_of_another_account_is_not_there() {
    on_both(|site| {
        let server = site.serve();
        let (one, two) = (server.sign_up(), server.sign_up());
        let made = server
            .post("/api/v1/account/api-keys/")
            .bearer(&two.access)
            .json(&json!({"name": "build", "role": "editor"}))
            .send();
        assert_eq!(made.status, 201, "{}", made.text());
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let page = format!("/admin/accounts/{}/", account_id(&one));
        let key = site.number("SELECT MAX(id) FROM api_key").to_string();
        let person = two.data["user"]["id"].to_string();
        let myself = site
            .number("SELECT MAX(id) FROM users WHERE platform_role IS NOT NULL")
            .to_string();
        for (name, field, value) in [
            ("revoke-key", "key", key),
            ("end-sign-ins", "user", person),
            ("end-sign-ins", "user", myself),
        ] {
            let filled = with(hidden(&mut staff), &[(field, value)]);
            assert_eq!(staff.post(&format!("{page}{name}/"), &filled).status, 404, "{name}");
        }
        assert_eq!(
            site.number("SELECT COUNT(*) FROM api_key WHERE revoked_at_us IS NOT NULL"),
            0
        );
        assert_eq!(server.get("/api/v1/auth/me/").bearer(&two.access).send().status, 200);
    });
}

#[test]
fn what_is_wrong_is_said_on_the_page_and_nothing_changes() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let page = format!("/admin/accounts/{}/", account_id(&member));
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let before = site.counts();
        for (name, values, status, words) in [
            ("adjust-credits", vec![("amount", "x"), ("reason", "r")], 422, "amount:"),
            (
                "adjust-credits",
                vec![("amount", "-5000"), ("reason", "r")],
                402,
                "credits",
            ),
            ("adjust-credits", vec![("amount", "5"), ("reason", "")], 422, "reason:"),
            ("suspend", vec![("reason", "<b>")], 422, "abuse or staff"),
            (
                "assign-plan",
                vec![("plan_slug", "starter"), ("reason", "r")],
                403,
                "payment",
            ),
            (
                "renew",
                vec![("reason", "r"), ("mode", "x")],
                422,
                "catch_up or restart",
            ),
        ] {
            let answer = staff.send(&page, &format!("{page}{name}/"), &values);
            assert_eq!(answer.status, status, "{name} {values:?}: {}", answer.text());
            let text = answer.text();
            let said = text
                .split("role=\"alert\">")
                .nth(1)
                .unwrap_or_default()
                .split('<')
                .next()
                .unwrap();
            assert!(said.contains(words), "{name} {values:?}: {said}");
        }
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
        assert_eq!(staff.get("/admin/?status=x").status, 422);
    });
}
