//! What staff do in the panel: each once, by the stories that the API tells, too.

use super::pages::{account_id, hidden, payer, with};
use super::{Browser, form};
use crate::site::on_both;
use serde_json::json;

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

/// What staff do on an account's page: the action, what is filled in, what is said of it, and what then is in the database.
type Deed = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

const DEEDS: [Deed; 5] = [
    (
        "adjust-credits",
        &[("amount", "500"), ("kind", "bonus"), ("reason", "sorry")],
        "adjusted",
        "SELECT 1 FROM account WHERE id = ID AND credits = 2500",
    ),
    (
        "suspend",
        &[("reason", "abuse"), ("note", "spam")],
        "suspended",
        "SELECT 1 FROM account WHERE id = ID AND status = 'suspended'",
    ),
    (
        "reinstate",
        &[],
        "stands as",
        "SELECT 1 FROM account WHERE id = ID AND status = 'trial'",
    ),
    (
        "assign-plan",
        &[("plan_slug", "enterprise"), ("reason", "by contract")],
        "assigned",
        "SELECT 1 FROM account JOIN plan ON plan.id = account.plan_id WHERE account.id = ID AND plan.slug = 'enterprise'",
    ),
    (
        "renew",
        &[("reason", "by contract")],
        "renewed",
        "SELECT 1 FROM subscription_period JOIN subscription ON subscription.id = subscription_id \
         WHERE account_id = ID AND sequence = 2",
    ),
];

#[test]
fn what_staff_do_takes_effect_once_and_the_audit_names_them() {
    on_both(|site| {
        let server = site.serve();
        let id = account_id(&payer(&site, &server).0);
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let page = format!("/admin/accounts/{id}/");
        for (name, values, note, sql) in DEEDS {
            let action = format!("{page}{name}/");
            let values: Vec<_> = values
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect();
            let filled = with(form(&staff.get(&page), &action), &values);
            for round in ["first", "again"] {
                let answer = staff.post(&action, &filled);
                let led = (answer.status, answer.field("location"));
                assert_eq!(led, (303, Some(page.as_str())), "{name} {round}: {}", answer.text());
                let shown = staff.get(&page).text();
                assert!(shown.contains(note), "{name}: {shown}");
                let found = site.rows(&sql.replace("ID", &id.to_string()), |_| ()).len();
                assert_eq!(found, 1, "{name} {round}");
            }
            // The same form with another content is no repetition.
            let other = with(filled.clone(), &[("note", "else".into())]);
            assert_eq!(staff.post(&action, &other).status, 409, "{name}");
        }
        let by_staff =
            format!("SELECT COUNT(DISTINCT action) FROM audit WHERE account_id = {id} AND actor_kind = 'staff'");
        let audit = staff.get(&format!("{page}audit/")).text();
        assert!(site.number(&by_staff) >= 5 && audit.contains("(staff)"), "{audit}");
        // Each says what was before and what is after.
        for told in [
            "trial \u{2192} suspended",
            "suspended \u{2192} trial",
            "2,000 \u{2192} 2,500",
            "Free Trial \u{2192} Enterprise",
        ] {
            assert!(audit.contains(told), "{told}: {audit}");
        }
        site.is_healthy();
    });
}

#[test]
fn staff_revoke_a_key_whose_secret_no_page_shows_and_end_the_sign_ins_of_a_person() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let made = server
            .post("/api/v1/account/api-keys/")
            .bearer(&member.access)
            .json(&json!({"name": "build", "role": "editor"}))
            .send();
        let secret = made.json()["data"]["key"].as_str().unwrap().to_owned();
        let mut staff = Browser::of_staff(&site, &server, "admin");
        let page = format!("/admin/accounts/{}/", account_id(&member));
        let keys = format!("{page}keys/");
        for page in [&keys, &format!("{page}audit/"), &format!("{page}audit.csv")] {
            let shown = staff.get(page).text();
            assert!(shown.contains("build") && !shown.contains(&secret), "{shown}");
        }
        let person = staff.send(&format!("{page}people/"), &format!("{page}end-sign-ins/"), &[]);
        assert_eq!(person.status, 303);
        assert_eq!(server.get("/api/v1/auth/me/").bearer(&member.access).send().status, 401);
        assert_eq!(staff.send(&keys, &format!("{page}revoke-key/"), &[]).status, 303);
        let working = "SELECT COUNT(*) FROM api_key WHERE revoked_at_us IS NULL";
        assert_eq!(site.number(working), 0);
        let by_staff = "SELECT COUNT(*) FROM audit WHERE actor_kind = 'staff' AND action IN \
                        ('api_key.revoked', 'sign_in.all_ended')";
        assert_eq!(site.number(by_staff), 2);
        let audit = staff.get(&format!("{page}audit/")).text();
        for told in ["active \u{2192} revoked", "1 \u{2192} 0"] {
            assert!(audit.contains(told), "{told}: {audit}");
        }
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
