//! What must be nowhere: no secret in any log, and nothing in the database that opens anything.

use super::contents::columns;
use super::people::{NEW_PASSWORD, Pair, join, link, login, mails, post, refresh, reset_link};
use super::second_factor::{base_32, clerk, code_of, enrol};
use super::site::{PASSWORD, Server, Site, new_email, on_both};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use igny8_testkit::smtp::{Smtp, token};
use serde_json::json;
use sqlx::Row;
use std::collections::BTreeSet;

const FREELY: [(&str, &str); 3] = [
    ("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_NAME", "1000000"),
    ("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_ADDRESS", "1000000"),
    ("IGNY8_CORE__MAIL__MAILS_PER_NAME", "100"),
];

/// Everything that somebody may do about who they are; and every secret that was ever told to them.
fn live(site: &Site, server: &Server, link: impl Fn(&str, &str, usize) -> String) -> Vec<String> {
    let (email, first) = join(server);
    let mut secrets = vec![PASSWORD.to_owned(), NEW_PASSWORD.to_owned(), server.token.clone()];
    let verify = link(&email, "/verify-email#", 1);
    assert_eq!(
        post(server, "verify-email/", None, &json!({"token": verify})).status,
        204
    );
    let second = Pair::of(&refresh(server, &first.refresh));
    Pair::of(&refresh(server, &first.refresh));
    let cookie = format!("igny8_refresh={}", second.refresh);
    let answer = server.post("/api/v1/auth/refresh/").cookie(&cookie).send();
    let in_cookie = answer.cookies()[0].value.clone();
    let third = Pair::of(&login(server, &email, PASSWORD));
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD, "refresh_delivery": "body"});
    let fourth = Pair::of(&post(server, "change-password/", Some(&third.access), &body));
    let (key, invitation, joined) = invite_and_make_a_key(server, &fourth.access, &link);
    assert_eq!(
        post(server, "password-reset/", None, &json!({"email": email})).status,
        202
    );
    let reset = link(&email, "/reset-password#", 1);
    let body = json!({"token": reset, "new_password": PASSWORD});
    assert_eq!(post(server, "password-reset/confirm/", None, &body).status, 204);
    assert_eq!(post(server, "password-reset/confirm/", None, &body).status, 422);
    assert_eq!(login(server, &email, NEW_PASSWORD).status, 401);

    let clerk = clerk(site, server);
    let (secret, codes) = enrol(server, &clerk);
    let with = |code: &str| {
        let body = json!({"email": clerk.email, "password": PASSWORD, "totp": code, "refresh_delivery": "body"});
        server.post("/api/v1/auth/login/").json(&body).send()
    };
    assert_eq!(with(&code_of(&secret, 1)).status, 200);
    let sixth = Pair::of(&with(&codes[0]));
    let out = server
        .post("/api/v1/auth/logout/")
        .bearer(&sixth.access)
        .json(&json!({"refresh": sixth.refresh}));
    assert_eq!(out.send().status, 204);

    for pair in [first, second, third, fourth, sixth, joined] {
        // Claims are no secret; the signature is.
        secrets.push(pair.access.rsplit_once('.').unwrap().1.to_owned());
        secrets.push(pair.refresh[4..].to_owned());
    }
    secrets.push(in_cookie[4..].to_owned());
    secrets.extend([verify, reset, secret, invitation, key]);
    secrets.extend(codes);
    secrets.push(std::fs::read_to_string(site.folder.path().join("secrets/core_key")).unwrap());
    secrets
}

/// An API key without what may be shown of it, the token of a mailed invitation, and the pair of whoever accepted that.
fn invite_and_make_a_key(
    server: &Server,
    access: &str,
    link: impl Fn(&str, &str, usize) -> String,
) -> (String, String, Pair) {
    let made = server.post("/api/v1/account/api-keys/").bearer(access);
    let made = made.json(&json!({"name": "import"})).send().json();
    let key = made["data"]["key"].as_str().unwrap().to_owned();
    // Whatever comes of it: what is shown to the core must not be written down.
    drop(server.get("/api/v1/whoami/").field("X-Api-Key", &key).send());
    let email = new_email();
    let invited = server.post("/api/v1/account/members/invite/").bearer(access);
    let invited = invited.json(&json!({"email": email, "role": "viewer"})).send();
    assert_eq!(invited.status, 201, "{}", invited.text());
    let token = link(&email, "/join#", 1);
    let body = json!({"token": token, "password": PASSWORD, "refresh_delivery": "body"});
    let joined = Pair::of(&post(server, "invitations/accept/", None, &body));
    (key[12..].to_owned(), token, joined)
}

#[test]
fn no_password_token_key_or_link_is_in_any_log_not_even_at_trace_level() {
    on_both(|site| {
        let smtp = Smtp::start();
        let url = smtp.url();
        let mut environment = vec![("RUST_LOG", "trace"), ("IGNY8_CORE__MAIL__SMTP_URL", url.as_str())];
        environment.extend(FREELY);
        let server = site.serve_with(&environment);
        let by_smtp = |email: &str, page: &str, count: usize| {
            igny8_testkit::wait::wait_until("a mail", std::time::Duration::from_secs(30), || {
                let mails = smtp
                    .mails()
                    .into_iter()
                    .filter(|mail| mail.to == email && mail.text.contains(page));
                mails.map(|mail| token(&mail.text)).nth(count - 1)
            })
        };
        let secrets = live(&site, &server, by_smtp);
        assert!(secrets.len() >= 30, "{}", secrets.len());
        let log = server.child.log();
        assert!(
            log.contains("sqlx::query") && log.len() > 20_000,
            "the log tells everything that it can"
        );
        for secret in secrets {
            assert!(
                secret.len() >= 19 && !log.contains(secret.as_str()),
                "a secret of {} characters",
                secret.len()
            );
        }
    });
}

/// Every value of every table, as it is and in the forms in which tokens are written.
fn values(site: &Site) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for (table, cells) in columns(site) {
        // Of the schema, and of nobody.
        if matches!(
            table.as_str(),
            "plan" | "account_status" | "test_clock" | "receipt_counter"
        ) {
            continue;
        }
        for cell in cells {
            let is_bytes = cell.contains("hex(") || cell.contains("encode(");
            for value in site.rows(&format!("SELECT {cell} FROM {table}"), |row| row.get::<String, _>(0)) {
                let value = value.split_once('=').unwrap().1.to_owned();
                if is_bytes && value != "nothing" {
                    let bytes: Vec<u8> = (0..value.len() / 2)
                        .map(|index| u8::from_str_radix(&value[2 * index..2 * index + 2], 16).unwrap())
                        .collect();
                    values.extend([
                        STANDARD.encode(&bytes),
                        URL_SAFE_NO_PAD.encode(&bytes),
                        value.to_lowercase(),
                    ]);
                    values.insert(String::from_utf8_lossy(&bytes).into_owned());
                }
                values.insert(value);
            }
        }
    }
    values
}

#[test]
fn a_copy_of_the_database_opens_nothing() {
    on_both(|site| {
        let server = site.serve_with(&FREELY);
        let by_file = |email: &str, page: &str, count: usize| link(&site, email, page, count);
        let secrets = live(&site, &server, by_file);
        // And what is good right now: a sign-in, links that wait, a second factor.
        let (email, pair) = join(&server);
        let links = [
            link(&site, &email, "/verify-email#", 1),
            reset_link(&site, &server, &email, 1),
        ];
        let values = values(&site);
        assert!(values.len() > 100, "{}", values.len());
        let totp_secret = secrets.iter().find(|secret| secret.len() == 32).unwrap();
        let raw = URL_SAFE_NO_PAD.encode(base_32(totp_secret));
        for secret in secrets
            .iter()
            .chain(&links)
            .chain([&pair.refresh[4..].to_owned(), &raw])
        {
            let at = values.iter().find(|value| value.contains(secret.as_str()));
            assert!(
                at.is_none(),
                "a secret of {} characters lies there as it is",
                secret.len()
            );
        }
        let staff = site.rows("SELECT email FROM users WHERE platform_role IS NOT NULL", |row| {
            row.get::<String, _>(0)
        });
        // A clerk's session is ended, a reset made, a sign-in gone on with: that would be opening something.
        for value in values.iter().filter(|value| !value.is_empty()) {
            for token in [value.clone(), format!("igr_{value}")] {
                assert_eq!(refresh(&server, &token).status, 401, "{token}");
            }
            if value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
                assert_eq!(
                    server.get("/api/v1/auth/me/").bearer(value).send().status,
                    401,
                    "{value}"
                );
            }
            let verify = post(&server, "verify-email/", None, &json!({"token": value}));
            assert_eq!(verify.code(), "link_invalid", "{value}");
            let reset = json!({"token": value, "new_password": NEW_PASSWORD});
            assert_eq!(
                post(&server, "password-reset/confirm/", None, &reset).code(),
                "link_invalid",
                "{value}"
            );
            let session = server.ask("/internal/v1/sessions/lookup", &json!({"session": value}));
            assert_eq!(session.json()["authenticated"], false, "{value}");
            let body = json!({"email": staff[0], "password": PASSWORD, "totp": value});
            assert_eq!(
                server.post("/api/v1/auth/login/").json(&body).send().code(),
                "totp_invalid",
                "{value}"
            );
            assert_eq!(login(&server, &email, value).code(), "invalid_credentials", "{value}");
        }
        // What is really theirs still opens.
        assert_eq!(refresh(&server, &pair.refresh).status, 200);
        assert_eq!(
            post(&server, "verify-email/", None, &json!({"token": links[0]})).status,
            204
        );
        assert!(!mails(&site, &email).is_empty());
    });
}
