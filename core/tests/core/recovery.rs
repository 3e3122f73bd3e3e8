//! Other passwords, with the one in use or by mail; and addresses that are shown to be somebody's.

use super::people::{NEW_PASSWORD, Pair, join, link, login, mails, post, refresh, reset_link, works};
use super::site::{PASSWORD, Server, new_email, on_both, staff};
use igny8_testkit::raw::Response;
use serde_json::{Value, json};

fn change(server: &Server, access: &str, current: &str, new: &str) -> Response {
    let body = json!({"current_password": current, "new_password": new, "refresh_delivery": "body"});
    post(server, "change-password/", Some(access), &body)
}

fn confirm(server: &Server, token: &str, password: &str) -> Response {
    post(
        server,
        "password-reset/confirm/",
        None,
        &json!({"token": token, "new_password": password}),
    )
}

#[test]
fn another_password_ends_every_other_sign_in_and_gives_a_new_pair() {
    on_both(|site| {
        let server = site.serve();
        let (email, first) = join(&server);
        let second = Pair::of(&login(&server, &email, PASSWORD));
        let third = Pair::of(&change(&server, &second.access, PASSWORD, NEW_PASSWORD));
        for old in [&first, &second] {
            assert!(!works(&server, &old.access));
            assert_eq!(refresh(&server, &old.refresh).code(), "token_revoked");
        }
        assert!(works(&server, &third.access));
        assert_eq!(refresh(&server, &third.refresh).status, 200);
        assert_eq!(login(&server, &email, PASSWORD).code(), "invalid_credentials");
        assert_eq!(login(&server, &email, NEW_PASSWORD).status, 200);
        assert_eq!(site.number("SELECT MAX(epoch) FROM users"), 1);
        let audited = "SELECT COUNT(*) FROM audit WHERE action = 'user.password_changed'";
        assert_eq!(site.number(audited), 1);
        site.is_healthy();
    });
}

#[test]
fn another_password_needs_the_one_in_use_and_has_to_be_a_good_one() {
    on_both(|site| {
        let server = site.serve();
        let (email, pair) = join(&server);
        let before = site.counts();
        let answer = change(&server, &pair.access, "wrong-password-1", NEW_PASSWORD);
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_credentials"));
        assert!(
            answer.json()["fields"]["current_password"].is_string(),
            "{}",
            answer.text()
        );
        assert!(answer.field("www-authenticate").is_none());
        let answer = change(&server, &pair.access, PASSWORD, "password");
        assert_eq!((answer.status, answer.code().as_str()), (422, "weak_password"));
        assert!(answer.json()["fields"]["new_password"].is_string(), "{}", answer.text());
        assert_eq!(
            post(&server, "change-password/", Some(&pair.access), &json!({})).status,
            422
        );
        assert_eq!(post(&server, "change-password/", None, &json!({})).status, 401);
        assert_eq!(site.counts(), before);
        assert!(works(&server, &pair.access));
        assert_eq!(login(&server, &email, PASSWORD).status, 200);
    });
}

#[test]
fn of_two_changes_at_once_one_is_made() {
    on_both(|site| {
        let server = site.serve();
        let (email, pair) = join(&server);
        let passwords = [NEW_PASSWORD, "cinnamon-ladder-27-orbit"];
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let both = passwords.map(|new| {
                let (server, pair) = (&server, &pair);
                scope.spawn(move || change(server, &pair.access, PASSWORD, new).status)
            });
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "{statuses:?}"
        );
        assert!(statuses.contains(&401), "{statuses:?}");
        let open: Vec<bool> = passwords
            .iter()
            .map(|new| login(&server, &email, new).status == 200)
            .collect();
        assert_eq!(open, statuses.iter().map(|status| *status == 200).collect::<Vec<_>>());
    });
}

#[test]
fn a_forgotten_password_is_replaced_by_a_link_that_works_once() {
    on_both(|site| {
        let server = site.serve();
        let (email, pair) = join(&server);
        let shouted = json!({"email": email.to_uppercase()});
        assert_eq!(post(&server, "password-reset/", None, &shouted).status, 202);
        let token = link(&site, &email, "/reset-password#", 1);
        assert_eq!(
            confirm(&server, &token, "password").code(),
            "weak_password",
            "that does not use it up"
        );
        assert_eq!(confirm(&server, &token, NEW_PASSWORD).status, 204);
        assert!(!works(&server, &pair.access));
        assert_eq!(refresh(&server, &pair.refresh).code(), "token_revoked");
        assert_eq!(login(&server, &email, PASSWORD).code(), "invalid_credentials");
        assert_eq!(login(&server, &email, NEW_PASSWORD).status, 200);
        let again = confirm(&server, &token, PASSWORD);
        assert_eq!((again.status, again.code().as_str()), (422, "link_invalid"));
        for other in ["x", &token[1..], &"A".repeat(43)] {
            assert_eq!(confirm(&server, other, PASSWORD).code(), "link_invalid");
        }
        let me = login(&server, &email, NEW_PASSWORD);
        assert_eq!(
            me.json()["data"]["user"]["email_verified"],
            true,
            "whoever has the mail reads the address"
        );
        site.is_healthy();
    });
}

#[test]
fn a_link_ends_with_its_time_with_a_newer_password_and_is_of_one_purpose() {
    on_both(|site| {
        let server = site.serve();
        let (email, pair) = join(&server);
        let verify = link(&site, &email, "/verify-email#", 1);
        assert_eq!(confirm(&server, &verify, NEW_PASSWORD).code(), "link_invalid");
        let old = reset_link(&site, &server, &email, 1);
        assert_eq!(
            post(&server, "verify-email/", None, &json!({"token": old})).code(),
            "link_invalid"
        );
        site.sql("UPDATE mailed_token SET created_at_us = 1, expires_at_us = 2 WHERE purpose = 'reset_password'")
            .unwrap();
        assert_eq!(confirm(&server, &old, NEW_PASSWORD).code(), "link_invalid");
        let (one, other) = (
            reset_link(&site, &server, &email, 2),
            reset_link(&site, &server, &email, 3),
        );
        assert_ne!(one, other);
        assert_eq!(confirm(&server, &one, NEW_PASSWORD).status, 204);
        assert_eq!(
            confirm(&server, &other, PASSWORD).code(),
            "link_invalid",
            "every other link ends with it"
        );
        let pair_after = Pair::of(&login(&server, &email, NEW_PASSWORD));
        let last = reset_link(&site, &server, &email, 4);
        assert_eq!(change(&server, &pair_after.access, NEW_PASSWORD, PASSWORD).status, 200);
        assert_eq!(confirm(&server, &last, NEW_PASSWORD).code(), "link_invalid");
        assert!(!works(&server, &pair.access));
    });
}

#[test]
fn of_two_resets_at_once_one_wins_with_one_link_or_with_two() {
    on_both(|site| {
        let server = site.serve();
        let (email, _) = join(&server);
        let one = reset_link(&site, &server, &email, 1);
        let other = reset_link(&site, &server, &email, 2);
        let passwords = [NEW_PASSWORD, "cinnamon-ladder-27-orbit", "thimble-arcade-64-monsoon"];
        let tokens = [&one, &other, &one];
        let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
            let all = [0, 1, 2].map(|index| {
                let (server, token, password) = (&server, tokens[index], passwords[index]);
                scope.spawn(move || {
                    let answer = confirm(server, token, password);
                    let code = if answer.status == 204 {
                        String::new()
                    } else {
                        answer.code()
                    };
                    (answer.status, code)
                })
            });
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(
            answers.iter().filter(|answer| answer.0 == 204).count(),
            1,
            "{answers:?}"
        );
        assert_eq!(
            answers.iter().filter(|answer| answer.1 == "link_invalid").count(),
            2,
            "{answers:?}"
        );
        for (password, answer) in passwords.iter().zip(&answers) {
            assert_eq!(login(&server, &email, password).status == 200, answer.0 == 204);
        }
        assert_eq!(site.number("SELECT MAX(epoch) FROM users"), 1);
        site.is_healthy();
    });
}

#[test]
fn who_asks_for_a_link_does_not_learn_whether_somebody_has_the_address() {
    on_both(|site| {
        let server = site.serve();
        let (email, _) = join(&server);
        let (shut_out, _) = join(&server);
        site.sql(&format!("UPDATE users SET is_active = 0 WHERE email = '{shut_out}'"))
            .unwrap();
        let mut answers: Vec<(u16, Value)> = Vec::new();
        for address in [email.as_str(), "nobody@example.com", &shut_out] {
            // The last of each is beyond what one address gets: it is told nobody.
            for _ in 0..6 {
                let answer = post(&server, "password-reset/", None, &json!({"email": address}));
                answers.push((answer.status, answer.json()));
            }
        }
        assert_eq!(answers[0].0, 202);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let links = "SELECT COUNT(*) FROM mailed_token WHERE purpose = 'reset_password'";
        assert_eq!(site.number(links), 5, "five mails an hour, to somebody who is there");
        let sent = link(&site, &email, "/reset-password#", 5);
        assert!(!sent.is_empty() && mails(&site, "nobody@example.com").is_empty());
        assert!(
            mails(&site, &shut_out)
                .iter()
                .all(|mail| !mail.contains("/reset-password"))
        );
    });
}

#[test]
fn a_reset_ends_the_sessions_of_the_admin_panel_and_so_does_a_change() {
    on_both(|site| {
        let server = site.serve();
        let access = staff(&site, &server);
        let me = server.get("/api/v1/auth/me/").bearer(&access).send().json();
        let (id, email) = (
            me["data"]["user"]["id"].clone(),
            me["data"]["user"]["email"].as_str().unwrap().to_owned(),
        );
        let open = || {
            let hash = if site.engine == "sqlite" {
                "randomblob(32)"
            } else {
                "decode(md5(random()::text) || md5('x'), 'hex')"
            };
            site.sql(&format!(
                "INSERT INTO admin_session (token_hash, user_id, created_at_us, expires_at_us) \
                 VALUES ({hash}, {id}, 1, 9000000000000000)"
            ))
            .unwrap();
        };
        let running = || site.number("SELECT COUNT(*) FROM admin_session WHERE ended_at_us IS NULL");
        open();
        let pair = Pair::of(&change(&server, &access, PASSWORD, NEW_PASSWORD));
        assert_eq!(running(), 0);
        open();
        let token = reset_link(&site, &server, &email, 1);
        assert_eq!(confirm(&server, &token, PASSWORD).status, 204);
        assert_eq!(running(), 0);
        assert!(!works(&server, &pair.access));
    });
}

#[test]
fn an_address_is_verified_by_the_link_of_the_sign_up_mail_or_of_another_one() {
    on_both(|site| {
        let server = site.serve();
        let (email, pair) = join(&server);
        let verified = || {
            let me = server.get("/api/v1/auth/me/").bearer(&pair.access).send().json();
            me["data"]["user"]["email_verified"].as_bool().unwrap()
        };
        assert!(!verified());
        let first = link(&site, &email, "/verify-email#", 1);
        assert_eq!(post(&server, "verify-email/resend/", None, &json!({})).status, 401);
        assert_eq!(
            post(&server, "verify-email/resend/", Some(&pair.access), &json!({})).status,
            202
        );
        let second = link(&site, &email, "/verify-email#", 2);
        assert_ne!(first, second);
        assert_eq!(
            post(&server, "verify-email/", None, &json!({"token": second})).status,
            204
        );
        assert!(verified());
        for token in [&first, &second] {
            assert_eq!(
                post(&server, "verify-email/", None, &json!({"token": token})).code(),
                "link_invalid"
            );
        }
        assert_eq!(
            post(&server, "verify-email/resend/", Some(&pair.access), &json!({})).status,
            202
        );
        assert_eq!(
            site.number("SELECT COUNT(*) FROM mailed_token"),
            2,
            "there is nothing more to verify"
        );
        assert!(works(&server, &pair.access), "tokens go on");
    });
}

#[test]
fn a_link_to_an_address_that_somebody_no_longer_has_verifies_nothing() {
    on_both(|site| {
        let server = site.serve();
        let (email, _) = join(&server);
        let token = link(&site, &email, "/verify-email#", 1);
        site.sql(&format!(
            "UPDATE users SET email = '{}' WHERE email = '{email}'",
            new_email()
        ))
        .unwrap();
        assert_eq!(
            post(&server, "verify-email/", None, &json!({"token": token})).code(),
            "link_invalid"
        );
        assert_eq!(
            site.number("SELECT COUNT(*) FROM users WHERE email_verified_at_us IS NOT NULL"),
            0
        );
    });
}

#[test]
fn other_verification_mails_are_rationed() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__MAIL__MAILS_PER_NAME", "2")]);
        let (_, pair) = join(&server);
        let ask = || post(&server, "verify-email/resend/", Some(&pair.access), &json!({}));
        assert_eq!((ask().status, ask().status), (202, 202));
        let answer = ask();
        assert_eq!((answer.status, answer.code().as_str()), (429, "throttled"));
        let seconds: i64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=1800).contains(&seconds), "{seconds}");
    });
}
