//! Getting in, staying in and getting out.

use super::{Browser, Form, form, make_staff};
use crate::second_factor::{clerk, code_of, enrol};
use crate::site::{PASSWORD, on_both};
use igny8_core::adapters::digest::sha_256;
use serde_json::json;

/// What SQL calls these bytes.
fn bytes(engine: &str, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if engine == "sqlite" {
        format!("x'{hex}'")
    } else {
        format!("'\\x{hex}'::bytea")
    }
}

#[test]
fn staff_of_every_role_get_in_and_a_session_is_kept_by_its_digest_alone() {
    on_both(|site| {
        let server = site.serve();
        for role in ["admin", "developer"] {
            let mut browser = Browser::of_staff(&site, &server, role);
            assert_eq!(browser.get("/admin/").status, 200, "{role}");
            let token = browser.cookies["sessionid"].clone();
            assert_eq!(token.len(), 43, "256 bits in base64url");
            let kept = bytes(site.engine, &sha_256(token.as_bytes()));
            let count = format!("SELECT COUNT(*) FROM admin_session WHERE token_hash = {kept}");
            assert_eq!(site.number(&count), 1);
            // What proxies are told of it is what the panel goes by.
            let facts = server.ask("/internal/v1/sessions/lookup", &json!({"session": token}));
            assert_eq!(facts.json()["is_staff"], true, "{}", facts.text());
            assert!(
                !browser.get("/admin/").text().contains(&token),
                "a page tells the session"
            );
        }
        site.is_healthy();
    });
}

#[test]
fn customers_strangers_and_wrong_passwords_are_told_the_same() {
    on_both(|site| {
        let server = site.serve();
        let staff = make_staff(&site, "admin");
        let member = server.sign_up();
        let mut told = Vec::new();
        for (email, password) in [
            (member.email.as_str(), PASSWORD),
            (staff.as_str(), "not-the-password"),
            ("nobody@example.com", PASSWORD),
            ("no address", PASSWORD),
        ] {
            let mut browser = Browser::new(&server);
            let answer = browser.sign_in(email, password);
            assert_eq!(answer.status, 401, "{email}");
            assert!(!browser.cookies.contains_key("sessionid"));
            let text = answer.text();
            told.push(text.split("name=\"csrf\"").next().unwrap().to_owned());
        }
        assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
        assert_eq!(site.number("SELECT COUNT(*) FROM admin_session"), 0);
    });
}

#[test]
fn guessing_is_paid_from_the_budget_of_signing_in() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_NAME", "3")]);
        let staff = make_staff(&site, "admin");
        for _ in 0..3 {
            assert_eq!(Browser::new(&server).sign_in(&staff, "wrong").status, 401);
        }
        let answer = Browser::new(&server).sign_in(&staff, PASSWORD);
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!(answer.field("retry-after").is_some());
        assert_eq!(
            server.login(&staff, PASSWORD).status,
            429,
            "it is one budget with the API's"
        );
    });
}

#[test]
fn a_session_that_somebody_else_laid_down_is_worth_nothing_and_each_sign_in_begins_another() {
    on_both(|site| {
        let server = site.serve();
        let staff = make_staff(&site, "admin");
        let mut browser = Browser::new(&server);
        let planted = "A".repeat(43);
        browser.cookies.insert("sessionid".into(), planted.clone());
        assert_eq!(browser.sign_in(&staff, PASSWORD).status, 303);
        let first = browser.cookies["sessionid"].clone();
        assert_ne!(first, planted);
        assert_eq!(browser.sign_in(&staff, PASSWORD).status, 303);
        assert_ne!(browser.cookies["sessionid"], first, "a sign-in begins a new session");
        for worthless in [&planted, &first] {
            let mut other = Browser::new(&server);
            other.cookies.insert("sessionid".into(), worthless.clone());
            assert_eq!(other.get("/admin/").field("location"), Some("/admin/sign-in/"));
        }
        assert_eq!(browser.get("/admin/").status, 200);
    });
}

#[test]
fn signing_out_ends_the_session_at_its_source() {
    on_both(|site| {
        let server = site.serve();
        let mut browser = Browser::of_staff(&site, &server, "admin");
        let token = browser.cookies["sessionid"].clone();
        let answer = browser.send("/admin/", "/admin/sign-out/", &[]);
        assert_eq!(
            (answer.status, answer.field("location")),
            (303, Some("/admin/sign-in/"))
        );
        assert!(!browser.cookies.contains_key("sessionid"));
        browser.cookies.insert("sessionid".into(), token);
        assert_eq!(browser.get("/admin/").status, 303);
        for action in ["panel.signed_in", "panel.signed_out"] {
            let count = format!("SELECT COUNT(*) FROM audit WHERE action = '{action}'");
            assert_eq!(site.number(&count), 1, "{action}");
        }
    });
}

#[test]
fn a_session_ends_idle_and_goes_on_while_it_is_used_but_not_for_ever() {
    on_both(|site| {
        let server = site.serve();
        let mut browser = Browser::of_staff(&site, &server, "admin");
        let left = || site.number("SELECT expires_at_us - created_at_us FROM admin_session") / 1_000_000;
        assert_eq!(left(), 1800);
        // Twenty minutes later, as far as the session can tell.
        let back = |minutes: i64| {
            let micros = minutes * 60_000_000;
            site.sql(&format!(
                "UPDATE admin_session SET created_at_us = created_at_us - {micros}, expires_at_us = expires_at_us - {micros}"
            ))
            .unwrap();
        };
        back(20);
        assert_eq!(browser.get("/admin/").status, 200);
        assert!((3000..=3060).contains(&left()), "{}: using it keeps it", left());
        // Twenty times as much: it ends after eight hours, however often it is used.
        for _ in 0..30 {
            back(20);
            if browser.get("/admin/").status != 200 {
                break;
            }
        }
        assert_eq!(browser.get("/admin/").status, 303);
        assert_eq!(left(), 28_800);
        let mut browser = Browser::of_staff(&site, &server, "admin");
        back(31);
        assert_eq!(browser.get("/admin/").status, 303, "it was idle");
    });
}

#[test]
fn a_changed_password_and_a_disabled_user_end_sessions_of_the_panel() {
    on_both(|site| {
        let server = site.serve();
        let staff = make_staff(&site, "admin");
        let mut browser = Browser::new(&server);
        browser.sign_in(&staff, PASSWORD);
        assert_eq!(browser.get("/admin/").status, 200);
        let access = server.login(&staff, PASSWORD).json()["data"]["access"]
            .as_str()
            .unwrap()
            .to_owned();
        let changed = server
            .post("/api/v1/auth/change-password/")
            .bearer(&access)
            .json(&json!({"current_password": PASSWORD, "new_password": "gazette-39-nannit-revolp"}))
            .send();
        assert_eq!(changed.status, 200, "{}", changed.text());
        assert_eq!(browser.get("/admin/").status, 303);
        browser.sign_in(&staff, "gazette-39-nannit-revolp");
        assert_eq!(browser.get("/admin/").status, 200);
        site.must(&["staff", "disable", "--email", &staff]);
        assert_eq!(browser.get("/admin/").status, 303);
        assert_eq!(browser.sign_in(&staff, "gazette-39-nannit-revolp").status, 401);
    });
}

#[test]
fn somebody_who_is_no_longer_staff_is_refused_every_page() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let mut browser = Browser::of_staff(&site, &server, "admin");
        // A session of a customer's, as nothing of ours ever makes one.
        site.sql(&format!(
            "UPDATE admin_session SET user_id = (SELECT id FROM users WHERE email = '{}')",
            member.email
        ))
        .unwrap();
        for page in [
            "/admin/",
            "/admin/payments/",
            "/admin/accounts.csv",
            "/admin/no-such-page/",
        ] {
            assert_eq!(browser.get(page).status, 403, "{page}");
        }
    });
}

#[test]
fn a_second_factor_is_asked_for_in_a_second_step() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let (secret, codes) = enrol(&server, &clerk);
        let mut browser = Browser::new(&server);
        let step = browser.sign_in(&clerk.email, PASSWORD);
        assert_eq!(step.status, 200, "{}", step.text());
        assert!(!browser.cookies.contains_key("sessionid"));
        let mut second = form(&step, "/admin/sign-in/code/");
        assert!(!step.text().contains(PASSWORD), "the password goes back to nobody");
        let mut try_code = |browser: &mut Browser<'_>, code: &str| {
            second.insert("code".into(), code.into());
            browser.post("/admin/sign-in/code/", &second)
        };
        assert_eq!(try_code(&mut browser, "000000").status, 401);
        assert!(!browser.cookies.contains_key("sessionid"));
        // Another browser cannot go on with it, though it has a form of its own.
        let mut other = Browser::new(&server);
        let mut own: Form = form(&other.get("/admin/sign-in/"), "/admin/sign-in/");
        own.insert("pending".into(), form(&step, "/admin/sign-in/code/")["pending"].clone());
        own.insert("code".into(), codes[1].clone());
        assert_eq!(other.post("/admin/sign-in/code/", &own).status, 401);
        assert!(!other.cookies.contains_key("sessionid"));
        let code = code_of(&secret, 1);
        assert_eq!(try_code(&mut browser, &code).status, 303);
        assert_eq!(browser.get("/admin/").status, 200);
        // A code works once.
        let mut again = Browser::new(&server);
        let mut second = form(&again.sign_in(&clerk.email, PASSWORD), "/admin/sign-in/code/");
        second.insert("code".into(), code);
        assert_eq!(again.post("/admin/sign-in/code/", &second).status, 401);
        second.insert("code".into(), codes[0].clone());
        assert_eq!(again.post("/admin/sign-in/code/", &second).status, 303);
    });
}

#[test]
fn the_first_step_is_worth_nothing_once_the_password_is_another() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let (secret, _) = enrol(&server, &clerk);
        let mut browser = Browser::new(&server);
        let mut second = form(&browser.sign_in(&clerk.email, PASSWORD), "/admin/sign-in/code/");
        site.sql(&format!(
            "UPDATE users SET password_hash = 'x' WHERE email = '{}'",
            clerk.email
        ))
        .unwrap();
        second.insert("code".into(), code_of(&secret, 1));
        assert_eq!(browser.post("/admin/sign-in/code/", &second).status, 401);
        assert!(!browser.cookies.contains_key("sessionid"));
    });
}
