//! The second factor of staff.

use super::people::post;
use super::site::{PASSWORD, Server, Site, on_both, staff};
use igny8_contract::time::{Clock, SystemClock};
use igny8_core::adapters::totp::code;
use igny8_core::domain::totp::step;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};

pub fn base_32(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = if letter.is_ascii_uppercase() {
            letter - b'A'
        } else {
            letter - b'2' + 26
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

/// The code of so many steps from now.
pub fn code_of(secret: &str, ahead: i64) -> String {
    code(&base_32(secret), step(SystemClock::new().now()) + ahead)
}

/// A member of staff, and what they know.
pub struct Clerk {
    pub email: String,
    pub access: String,
}

pub fn clerk(site: &Site, server: &Server) -> Clerk {
    let access = staff(site, server);
    let me = server.get("/api/v1/auth/me/").bearer(&access).send().json();
    let email = me["data"]["user"]["email"].as_str().unwrap().to_owned();
    Clerk { email, access }
}

/// Enrols and confirms: the secret and the recovery codes.
pub fn enrol(server: &Server, clerk: &Clerk) -> (String, Vec<String>) {
    let begun = post(server, "totp/", Some(&clerk.access), &json!({"password": PASSWORD}));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let secret = begun.json()["data"]["secret"].as_str().unwrap().to_owned();
    let on = post(
        server,
        "totp/confirm/",
        Some(&clerk.access),
        &json!({"code": code_of(&secret, 0)}),
    );
    assert_eq!(on.status, 200, "{}", on.text());
    let codes: Vec<String> = serde_json::from_value(on.json()["data"]["recovery_codes"].clone()).unwrap();
    (secret, codes)
}

fn login(server: &Server, email: &str, password: &str, totp: Option<&str>) -> Response {
    let body = json!({"email": email, "password": password, "totp": totp});
    server.post("/api/v1/auth/login/").json(&body).send()
}

/// So much time goes by that every code near now may be used.
fn later(site: &Site) {
    site.sql("UPDATE totp SET last_step = 0").unwrap();
}

fn standing(server: &Server, clerk: &Clerk) -> Value {
    server.get("/api/v1/auth/totp/").bearer(&clerk.access).send().json()["data"].clone()
}

#[test]
fn signing_in_asks_for_a_code_once_it_is_confirmed() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        assert_eq!(standing(&server, &clerk)["enabled"], false);
        let begun = post(&server, "totp/", Some(&clerk.access), &json!({"password": PASSWORD}));
        let uri = begun.json()["data"]["otpauth_uri"].as_str().unwrap().to_owned();
        let secret = begun.json()["data"]["secret"].as_str().unwrap().to_owned();
        assert!(
            uri.starts_with("otpauth://totp/igny8:person-") && uri.contains(&format!("secret={secret}&")),
            "{uri}"
        );
        assert_eq!(secret.len(), 32);
        assert_eq!(
            login(&server, &clerk.email, PASSWORD, None).status,
            200,
            "it is not confirmed yet"
        );
        let wrong = post(
            &server,
            "totp/confirm/",
            Some(&clerk.access),
            &json!({"code": "000000"}),
        );
        assert_eq!((wrong.status, wrong.code().as_str()), (401, "totp_invalid"));

        let (secret, codes) = enrol(&server, &clerk);
        assert_eq!(codes.len(), 10);
        let told = standing(&server, &clerk);
        assert_eq!(
            (&told["enabled"], &told["recovery_codes_left"]),
            (&json!(true), &json!(10))
        );
        assert!(told["enabled_at"].is_string());
        let missing = login(&server, &clerk.email, PASSWORD, None);
        assert_eq!((missing.status, missing.code().as_str()), (401, "totp_required"));
        assert_eq!(
            login(&server, &clerk.email, "wrong-password-1", None).code(),
            "invalid_credentials"
        );
        later(&site);
        assert_eq!(
            login(&server, &clerk.email, PASSWORD, Some(&code_of(&secret, 0))).status,
            200
        );
        site.is_healthy();
    });
}

#[test]
fn a_code_works_once_and_a_clock_may_be_one_step_away() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let (secret, _) = enrol(&server, &clerk);
        let with = |code: &str| login(&server, &clerk.email, PASSWORD, Some(code)).code_or_ok();
        for ahead in [-1, 0, 1] {
            later(&site);
            let code = code_of(&secret, ahead);
            assert_eq!(with(&code), "ok", "{ahead}");
            assert_eq!(with(&code), "totp_invalid", "used");
        }
        later(&site);
        for code in [
            code_of(&secret, -4),
            code_of(&secret, 4),
            "12345".into(),
            "abcdef".into(),
            String::new(),
        ] {
            assert_eq!(with(&code), "totp_invalid", "{code}");
        }
    });
}

/// How an answer reads in a table.
trait CodeOrOk {
    fn code_or_ok(&self) -> String;
}

impl CodeOrOk for Response {
    fn code_or_ok(&self) -> String {
        if self.status == 200 { "ok".into() } else { self.code() }
    }
}

#[test]
fn of_several_who_use_one_code_at_once_one_signs_in() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let (secret, codes) = enrol(&server, &clerk);
        later(&site);
        for code in [code_of(&secret, 0), codes[0].clone()] {
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| login(&server, &clerk.email, PASSWORD, Some(&code)).status))
                    .collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(
                statuses.iter().filter(|status| **status == 200).count(),
                1,
                "{statuses:?}"
            );
            assert_eq!(
                statuses.iter().filter(|status| **status == 401).count(),
                3,
                "{statuses:?}"
            );
            site.sql("UPDATE sign_in_budget SET full_at_us = 1").unwrap();
        }
    });
}

#[test]
fn a_recovery_code_stands_in_once() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let (_, codes) = enrol(&server, &clerk);
        let typed = codes[3].to_uppercase().replace('-', " ");
        assert_eq!(login(&server, &clerk.email, PASSWORD, Some(&typed)).status, 200);
        assert_eq!(
            login(&server, &clerk.email, PASSWORD, Some(&codes[3])).code(),
            "totp_invalid"
        );
        assert_eq!(
            login(&server, &clerk.email, PASSWORD, Some("abcd-efgh-ijkl-mnop")).code(),
            "totp_invalid"
        );
        assert_eq!(standing(&server, &clerk)["recovery_codes_left"], 9);
    });
}

#[test]
fn guesses_of_codes_are_counted() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_NAME", "4")]);
        let clerk = clerk(&site, &server);
        enrol(&server, &clerk);
        let codes: Vec<String> = (0..6)
            .map(|n| login(&server, &clerk.email, PASSWORD, Some(&format!("00000{n}"))).code())
            .collect();
        assert_eq!(
            codes.iter().filter(|code| *code == "totp_invalid").count(),
            4,
            "{codes:?}"
        );
        assert_eq!(codes[5], "throttled");
        site.sql("UPDATE sign_in_budget SET full_at_us = 1").unwrap();
        for _ in 0..10 {
            assert_eq!(
                login(&server, &clerk.email, PASSWORD, None).code(),
                "totp_required",
                "no guess"
            );
        }
    });
}

#[test]
fn it_is_begun_with_the_password_and_switched_off_with_a_code() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let begin = |password: &str| post(&server, "totp/", Some(&clerk.access), &json!({"password": password}));
        assert_eq!(begin("wrong-password-1").code(), "invalid_credentials");
        assert_eq!(
            post(
                &server,
                "totp/confirm/",
                Some(&clerk.access),
                &json!({"code": "123456"})
            )
            .code(),
            "not_found"
        );
        let (secret, codes) = enrol(&server, &clerk);
        assert_eq!(begin(PASSWORD).code(), "totp_already_on");
        let off = |code: &str| {
            let request = server.request("DELETE", "/api/v1/auth/totp/").bearer(&clerk.access);
            request.json(&json!({"code": code})).send()
        };
        assert_eq!(off("000000").code(), "totp_invalid");
        assert_eq!(
            off(&code_of(&secret, 0)).code(),
            "totp_invalid",
            "confirming has used it"
        );
        assert_eq!(off(&codes[0]).status, 204);
        assert_eq!(off(&codes[1]).code(), "not_found");
        assert_eq!(login(&server, &clerk.email, PASSWORD, None).status, 200);
        enrol(&server, &clerk);
        let actions = site.rows(
            "SELECT action FROM audit WHERE action LIKE 'totp.%' ORDER BY id",
            |row| sqlx::Row::get::<String, _>(row, 0),
        );
        assert_eq!(actions, ["totp.begun", "totp.on", "totp.off", "totp.begun", "totp.on"]);
    });
}

#[test]
fn it_is_for_staff_alone() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        for (method, path) in [
            ("GET", "totp/"),
            ("POST", "totp/"),
            ("POST", "totp/confirm/"),
            ("DELETE", "totp/"),
        ] {
            let path = format!("/api/v1/auth/{path}");
            let answer = server.request(method, &path).bearer(&member.access).send();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "role_required"),
                "{method} {path}"
            );
        }
    });
}

#[test]
fn with_another_key_a_code_is_a_fault_and_a_recovery_code_still_opens() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let (secret, codes) = enrol(&server, &clerk);
        later(&site);
        drop(server);
        std::fs::remove_file(site.folder.path().join("secrets/core_key")).unwrap();
        let server = site.serve();
        assert_eq!(
            login(&server, &clerk.email, PASSWORD, Some(&code_of(&secret, 0))).code(),
            "internal"
        );
        assert!(server.child.log().contains("secrets.key_file"));
        assert_eq!(login(&server, &clerk.email, PASSWORD, Some(&codes[0])).status, 200);
    });
}

#[test]
fn a_lost_second_factor_is_taken_away_by_command_with_every_sign_in() {
    on_both(|site| {
        let server = site.serve();
        let clerk = clerk(&site, &server);
        let reset = |email: &str| site.run(&["staff", "reset-totp", "--email", email]);
        let refused = |email: &str, sentence: &str| {
            let output = reset(email);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(told.contains(sentence), "{told}");
        };
        refused(&clerk.email, "This member of staff has no second factor.");
        refused("nobody@example.com", "No member of staff has this address.");
        refused(&server.sign_up().email, "No member of staff has this address.");
        assert_eq!(
            server.get("/api/v1/auth/me/").bearer(&clerk.access).send().status,
            200,
            "what is refused ends nothing"
        );

        enrol(&server, &clerk);
        assert_eq!(login(&server, &clerk.email, PASSWORD, None).code(), "totp_required");
        let told = site.must(&["staff", "reset-totp", "--email", &clerk.email, "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["email"], json!(clerk.email));
        assert_eq!(
            server.get("/api/v1/auth/me/").bearer(&clerk.access).send().code(),
            "token_revoked"
        );
        for table in ["totp", "totp_recovery_code"] {
            assert_eq!(site.number(&format!("SELECT COUNT(*) FROM {table}")), 0, "{table}");
        }
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'staff.totp_reset'"),
            1
        );
        assert_eq!(login(&server, &clerk.email, PASSWORD, None).status, 200);
        refused(&clerk.email, "This member of staff has no second factor.");
        site.is_healthy();
    });
}
