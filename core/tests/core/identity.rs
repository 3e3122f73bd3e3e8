//! Signing in and out, and what a token is good for.

use super::site::{PASSWORD, Server, Site, on_both};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::claims::AccessClaims;
use igny8_contract::ids::AccountId;
use igny8_contract::time::{Clock, SystemClock};
use igny8_core::adapters::keys::Keyring;
use serde_json::{Value, json};

fn site() -> (Site, Server) {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    (site, server)
}

fn me(server: &Server, token: &str) -> (u16, String) {
    let answer = server.get("/api/v1/auth/me/").bearer(token).send();
    (
        answer.status,
        answer.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

#[test]
fn a_token_says_who_it_is_for_and_for_how_long() {
    let (_site, server) = site();
    let member = server.sign_up();
    let header = part(&member.access, 0);
    assert_eq!(
        (header["alg"].as_str(), header["typ"].as_str()),
        (Some("EdDSA"), Some("at+jwt"))
    );
    let claims = part(&member.access, 1);
    assert_eq!(claims["iss"], "igny8-core");
    assert_eq!(claims["aud"], "igny8-api");
    assert_eq!(claims["sub"], member.data["user"]["id"].to_string());
    assert_eq!(claims["account_id"], member.data["account"]["id"]);
    assert_eq!(claims["role"], "owner");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    let other = part(
        server.login(&member.email, PASSWORD).json()["data"]["access"]
            .as_str()
            .unwrap(),
        1,
    );
    assert_ne!(claims["jti"], other["jti"]);
    assert_ne!(claims["sid"], other["sid"]);
}

#[test]
fn an_unknown_address_and_a_wrong_password_get_the_same_answer() {
    let (site, server) = site();
    let member = server.sign_up();
    let before = site.counts();
    let mut answers: Vec<(u16, Value)> = Vec::new();
    for (email, password) in [
        (member.email.as_str(), "wrong-password-1"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
    ] {
        let answer = server.login(email, password);
        let mut body = answer.json();
        body["request_id"] = json!("");
        answers.push((answer.status, body));
    }
    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0].1["code"], "invalid_credentials");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(site.counts(), before);
    assert_eq!(server.login(&member.email.to_uppercase(), PASSWORD).status, 200);
}

#[test]
fn who_is_shut_out_cannot_sign_in_and_their_tokens_end() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        site.sql("UPDATE users SET is_active = 0").unwrap();
        assert_eq!(me(&server, &member.access), (401, "token_revoked".into()));
        assert_eq!(server.login(&member.email, PASSWORD).code(), "invalid_credentials");
    });
}

#[test]
fn signing_out_ends_the_sign_in_and_expires_every_cookie_however_often() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let other = server.login(&member.email, PASSWORD).json()["data"]["access"]
            .as_str()
            .unwrap()
            .to_owned();
        for attempt in 0..2 {
            let answer = server.post("/api/v1/auth/logout/").bearer(&member.access).send();
            assert_eq!(answer.status, 204, "attempt {attempt}");
            let mut expired: Vec<(String, String)> = answer
                .cookies()
                .iter()
                .inspect(|cookie| assert!(cookie.expires_at_once()))
                .map(|cookie| {
                    (
                        cookie.name.clone(),
                        cookie.attribute("path").unwrap_or_default().to_owned(),
                    )
                })
                .collect();
            expired.sort();
            let all = [
                ("__Host-igny8_refresh", "/"),
                ("igny8_refresh", "/api/v1/auth/"),
                ("sessionid", "/"),
                ("sessionid", "/admin/"),
            ];
            assert_eq!(expired, all.map(|(name, path)| (name.to_owned(), path.to_owned())));
        }
        assert_eq!(me(&server, &member.access), (401, "token_revoked".into()));
        assert_eq!(me(&server, &other).0, 200, "the other sign-in runs on");
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'user.signed_out'"),
            1
        );
        for token in ["", "nonsense", "a.b.c"] {
            assert_eq!(
                server.post("/api/v1/auth/logout/").bearer(token).send().status,
                204,
                "{token:?}"
            );
        }
        assert_eq!(server.post("/api/v1/auth/logout").send().status, 204);
    });
}

#[test]
fn only_our_own_untouched_tokens_are_believed() {
    let (site, server) = site();
    let member = server.sign_up();
    assert_eq!(me(&server, &member.access).0, 200);
    let parts: Vec<&str> = member.access.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = (part(&member.access, 0), part(&member.access, 1));
    let mut other_account = claims.clone();
    other_account["account_id"] = json!(2);
    let without_algorithm = json!({"alg": "none", "typ": "at+jwt", "kid": header["kid"]});
    let with_secret = json!({"alg": "HS256", "typ": "at+jwt", "kid": header["kid"]});
    let mut flipped = parts[2].to_owned();
    let first = if flipped.starts_with('A') { "B" } else { "A" };
    flipped.replace_range(0..1, first);
    for (token, what) in [
        (
            format!("{}.{}.{}", parts[0], encode(&other_account), parts[2]),
            "other claims",
        ),
        (format!("{}.{}.{flipped}", parts[0], parts[1]), "another signature"),
        (format!("{}.{}.", parts[0], parts[1]), "no signature"),
        (format!("{}.{}.", encode(&without_algorithm), parts[1]), "no algorithm"),
        (
            format!("{}.{}.{}", encode(&with_secret), parts[1], parts[2]),
            "another algorithm",
        ),
        (format!("{}.{}", parts[0], parts[1]), "two parts"),
        ("x".into(), "nonsense"),
    ] {
        assert_eq!(me(&server, &token), (401, "token_invalid".into()), "{what}");
    }
    assert_eq!(me(&server, "igk_abcdefgh"), (401, "api_key_invalid".into()));

    // A key of somebody else's.
    let elsewhere = Site::sqlite();
    elsewhere.must(&["migrate", "up"]);
    elsewhere.must(&["seed-plans"]);
    let foreign = elsewhere.serve().sign_up();
    assert_eq!(me(&server, &foreign.access), (401, "token_invalid".into()));

    let answer = server.get("/api/v1/account/").send();
    assert_eq!((answer.status, answer.code().as_str()), (401, "credentials_required"));
    assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    let twice = server
        .get("/api/v1/account/")
        .bearer(&member.access)
        .bearer(&member.access)
        .send();
    assert_eq!(twice.code(), "credentials_ambiguous");
    let _kept = site;
}

#[test]
fn no_header_names_an_account() {
    let (_site, server) = site();
    let (one, other) = (server.sign_up(), server.sign_up());
    let id = other.data["account"]["id"].to_string();
    let answer = server
        .get("/api/v1/account/")
        .bearer(&one.access)
        .field("X-Account-Id", &id)
        .send();
    assert_eq!(answer.json()["data"]["id"], one.data["account"]["id"]);
    let alone = server
        .get("/api/v1/account/")
        .field("X-Account-Id", &id)
        .field("X-User-Id", "1")
        .send();
    assert_eq!(alone.status, 401);
}

#[test]
fn an_expired_token_is_refused_by_that_name_and_still_signs_out() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let good: AccessClaims = serde_json::from_value(part(&member.access, 1)).unwrap();
        let keys = Keyring::read(&site.folder.path().join("keys"), 300).unwrap();
        let now = SystemClock::new().now();
        let sign = |claims: &AccessClaims| keys.sign(claims, now).unwrap();
        assert_eq!(me(&server, &sign(&good)).0, 200);
        let old = AccessClaims {
            iat: good.iat - 1000,
            nbf: good.nbf - 1000,
            exp: good.exp - 1000,
            ..good.clone()
        };
        assert_eq!(me(&server, &sign(&old)), (401, "token_expired".into()));
        for (wrong, what) in [
            (
                AccessClaims {
                    nbf: good.nbf + 1000,
                    ..good.clone()
                },
                "not begun",
            ),
            (
                AccessClaims {
                    aud: "app".into(),
                    ..good.clone()
                },
                "for an app",
            ),
            (
                AccessClaims {
                    iss: "other".into(),
                    ..good.clone()
                },
                "of another issuer",
            ),
            (
                AccessClaims {
                    sub: "+1".into(),
                    ..good.clone()
                },
                "another form of the user",
            ),
        ] {
            assert_eq!(me(&server, &sign(&wrong)), (401, "token_invalid".into()), "{what}");
        }
        let elsewhere = AccessClaims {
            account_id: AccountId(good.account_id.0 + 1),
            ..good.clone()
        };
        assert_eq!(me(&server, &sign(&elsewhere)), (403, "account_missing".into()));
        assert_eq!(
            server.post("/api/v1/auth/logout/").bearer(&sign(&old)).send().status,
            204
        );
        assert_eq!(me(&server, &member.access), (401, "token_revoked".into()));
    });
}

#[test]
fn raised_epochs_and_lost_standing_are_felt_at_once() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let account = |token: &str| server.get("/api/v1/account/").bearer(token).send();
        let again = || {
            server.login(&member.email, PASSWORD).json()["data"]["access"]
                .as_str()
                .unwrap()
                .to_owned()
        };

        site.sql("UPDATE account SET epoch = epoch + 1").unwrap();
        assert_eq!(me(&server, &member.access), (401, "token_revoked".into()));
        let token = again();
        site.sql("UPDATE users SET epoch = epoch + 1").unwrap();
        assert_eq!(me(&server, &token), (401, "token_revoked".into()));
        let token = again();
        site.sql("UPDATE users SET role = 'viewer'").unwrap();
        assert_eq!(me(&server, &token), (401, "token_revoked".into()));
        let token = again();

        site.sql("UPDATE account SET status = 'suspended', suspend_reason = 'trial_ended'")
            .unwrap();
        assert_eq!(account(&token).status, 200, "reading goes on");
        site.sql("UPDATE account SET suspend_reason = 'abuse'").unwrap();
        assert_eq!(account(&token).code(), "account_suspended");
        assert_eq!(me(&server, &token).0, 200, "signing in and out goes on");
        site.sql("UPDATE account SET status = 'cancelled', suspend_reason = NULL")
            .unwrap();
        assert_eq!(account(&token).code(), "account_cancelled");
    });
}

#[test]
fn passwords_and_tokens_are_in_no_log_and_in_no_table() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve_with(&[("RUST_LOG", "trace")]);
    let member = server.sign_up();
    assert_eq!(me(&server, &member.access).0, 200);
    let log = server.child.log();
    assert!(log.len() > 10_000, "the log is at trace level");
    let signature = member.access.split('.').nth(2).unwrap();
    for secret in [PASSWORD, signature, &server.token] {
        assert!(!log.contains(secret));
        let file = std::fs::read(site.folder.path().join("db/core.sqlite3-wal")).unwrap();
        assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let hash = site.rows("SELECT password_hash FROM users", |row| {
        sqlx::Row::get::<String, _>(row, 0)
    });
    assert!(hash[0].starts_with("$argon2id$"), "{hash:?}");
}
