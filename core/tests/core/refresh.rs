//! Staying signed in: refresh tokens, their cookie, several tabs, thieves, and the list of sign-ins.

use super::people::{Pair, join, login, post, refresh, works};
use super::site::{PASSWORD, Server, new_email, on_both};
use igny8_testkit::http::Request;
use igny8_testkit::raw::SetCookie;
use serde_json::{Value, json};
use std::collections::HashSet;

/// No grace: what was spent is spent.
const STRICT: [(&str, &str); 1] = [("IGNY8_CORE__SIGN_IN__REFRESH_GRACE_SECONDS", "0")];

fn cookie<'a>(cookies: &'a [SetCookie], name: &str) -> &'a SetCookie {
    let found = cookies
        .iter()
        .find(|cookie| cookie.name == name && !cookie.expires_at_once());
    found.unwrap_or_else(|| panic!("no {name}: {cookies:?}"))
}

fn attributes(cookie: &SetCookie) -> Vec<&str> {
    let kept = cookie.attributes.iter().map(|(name, _)| name.as_str());
    kept.filter(|name| *name != "max-age").collect()
}

fn asking(server: &Server) -> Request {
    server.post("/api/v1/auth/refresh/")
}

#[test]
fn a_browser_gets_its_refresh_token_in_a_cookie_that_scripts_cannot_read() {
    on_both(|site| {
        let server = site.serve();
        let body = json!({"email": new_email(), "password": PASSWORD});
        for (tls, name, path, flags) in [
            (
                false,
                "igny8_refresh",
                "/api/v1/auth/",
                vec!["path", "httponly", "samesite"],
            ),
            (
                true,
                "__Host-igny8_refresh",
                "/",
                vec!["path", "httponly", "secure", "samesite"],
            ),
        ] {
            let proto = if tls { "https" } else { "http" };
            let path_asked = if tls { "login" } else { "register" };
            let request = server
                .post(&format!("/api/v1/auth/{path_asked}/"))
                .field("X-Forwarded-Proto", proto);
            let answer = request.json(&body).send();
            assert!(answer.json()["data"].get("refresh").is_none(), "{}", answer.text());
            let cookies = answer.cookies();
            let given = cookie(&cookies, name);
            assert_eq!(cookies.len(), 1, "{cookies:?}");
            assert_eq!(
                (given.attribute("path"), given.attribute("samesite")),
                (Some(path), Some("Strict"))
            );
            assert_eq!(attributes(given), flags);
            assert_eq!(given.attribute("max-age"), Some("1209600"));

            let sent = format!("a=1; {name}={}", given.value);
            let answer = asking(&server).field("X-Forwarded-Proto", proto).cookie(&sent).send();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let data = &answer.json()["data"];
            assert!(works(&server, data["access"].as_str().unwrap()));
            assert!(
                data["user"]["id"].is_i64() && data["account"]["plan"]["slug"] == "free-trial",
                "{data}"
            );
            assert_eq!(data["subscription"]["status"], "trialing");
            assert!(data.get("refresh").is_none(), "{data}");
            let next = answer.cookies();
            assert_ne!(cookie(&next, name).value, given.value, "it is rotated");

            // The same cookie means nothing under the other protocol.
            let other = if tls { "http" } else { "https" };
            let answer = asking(&server).field("X-Forwarded-Proto", other).cookie(&sent).send();
            assert_eq!((answer.status, answer.code().as_str()), (401, "credentials_required"));
        }
    });
}

#[test]
fn a_client_without_cookies_gets_its_refresh_token_in_the_body() {
    on_both(|site| {
        let server = site.serve();
        let (_, first) = join(&server);
        let answer = refresh(&server, &first.refresh);
        let second = Pair::of(&answer);
        assert!(answer.cookies().is_empty());
        assert_ne!(first.refresh, second.refresh);
        assert!(works(&server, &second.access) && works(&server, &first.access));
        let third = Pair::of(&refresh(&server, &second.refresh));
        assert!(works(&server, &third.access));
        assert_eq!(site.number("SELECT COUNT(*) FROM sign_in"), 1);
        site.is_healthy();
    });
}

#[test]
fn a_token_from_a_cookie_is_given_out_in_no_body_and_a_foreign_page_gets_none() {
    on_both(|site| {
        let server = site.serve();
        let (_, pair) = join(&server);
        let sent = format!("igny8_refresh={}", pair.refresh);
        let in_body = asking(&server)
            .cookie(&sent)
            .json(&json!({"refresh_delivery": "body"}))
            .send();
        assert_eq!((in_body.status, in_body.code().as_str()), (422, "validation_failed"));
        for origin in ["https://evil.example", "null"] {
            for request in [
                asking(&server).cookie(&sent),
                asking(&server).json(&json!({"refresh": pair.refresh})),
            ] {
                let answer = request.field("Origin", origin).send();
                assert_eq!((answer.status, answer.code().as_str()), (403, "origin_refused"));
                assert!(answer.cookies().is_empty());
            }
        }
        let own = asking(&server)
            .cookie(&sent)
            .field("Origin", &format!("http://{}", server.public))
            .send();
        assert_eq!(own.status, 200, "{}", own.text());
    });
}

#[test]
fn what_is_no_token_of_ours_refreshes_nothing() {
    on_both(|site| {
        let server = site.serve();
        let (_, pair) = join(&server);
        let answer = asking(&server).send();
        assert_eq!((answer.status, answer.code().as_str()), (401, "credentials_required"));
        assert_eq!(
            asking(&server).bearer(&pair.access).send().code(),
            "credentials_required"
        );
        for token in [
            "",
            "x",
            &pair.access,
            &pair.refresh[4..],
            &format!("igr_{}", "A".repeat(64)),
        ] {
            assert_eq!(refresh(&server, token).code(), "token_invalid", "{token}");
        }
        let sent = format!("igny8_refresh={}; igny8_refresh=igr_x", pair.refresh);
        assert_eq!(asking(&server).cookie(&sent).send().code(), "credentials_ambiguous");
        assert_eq!(refresh(&server, &pair.refresh).status, 200, "none of this has spent it");
    });
}

#[test]
fn three_tabs_that_refresh_at_once_stay_signed_in_on_one_chain() {
    on_both(|site| {
        let server = site.serve();
        let (_, mut pair) = join(&server);
        for round in 0..4 {
            let answers: Vec<Pair> = std::thread::scope(|scope| {
                let tabs: Vec<_> = (0..3)
                    .map(|_| scope.spawn(|| Pair::of(&refresh(&server, &pair.refresh))))
                    .collect();
                tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
            });
            let ends: HashSet<&str> = answers.iter().map(|pair| pair.refresh.as_str()).collect();
            assert_eq!(ends.len(), 1, "every tab is led to the same token, round {round}");
            assert!(!ends.contains(pair.refresh.as_str()));
            assert!(answers.iter().all(|pair| works(&server, &pair.access)));
            // A tab that is far behind is led to the end, too.
            let late = Pair::of(&refresh(&server, &pair.refresh));
            assert_eq!(late.refresh, answers[0].refresh);
            pair = late;
        }
        let unspent = "SELECT COUNT(*) FROM refresh_token WHERE spent_at_us IS NULL";
        assert_eq!(
            (site.number(unspent), site.number("SELECT COUNT(*) FROM sign_in")),
            (1, 1)
        );
        site.is_healthy();
    });
}

#[test]
fn a_stolen_older_token_ends_the_sign_in_for_both() {
    on_both(|site| {
        let server = site.serve_with(&STRICT);
        let (email, stolen) = join(&server);
        let other = Pair::of(&login(&server, &email, PASSWORD));
        let mut owner = stolen.clone();
        for _ in 0..3 {
            owner = Pair::of(&refresh(&server, &owner.refresh));
        }
        assert!(works(&server, &owner.access));
        let answer = refresh(&server, &stolen.refresh);
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_revoked"));
        assert!(!works(&server, &owner.access), "the owner's access token ends at once");
        assert_eq!(refresh(&server, &owner.refresh).code(), "token_revoked");
        assert_eq!(refresh(&server, &stolen.refresh).code(), "token_revoked");
        assert!(works(&server, &other.access), "the other sign-in goes on");
        assert_eq!(refresh(&server, &other.refresh).status, 200);
        let audited = "SELECT COUNT(*) FROM audit WHERE action = 'sign_in.reused_token'";
        assert_eq!(site.number(audited), 1);
        site.is_healthy();
    });
}

#[test]
fn a_thief_who_refreshes_first_is_found_out_by_the_owner() {
    on_both(|site| {
        let server = site.serve_with(&STRICT);
        let (_, owner) = join(&server);
        let thief = Pair::of(&refresh(&server, &owner.refresh));
        assert_eq!(refresh(&server, &owner.refresh).code(), "token_revoked");
        assert_eq!(refresh(&server, &thief.refresh).code(), "token_revoked");
        assert!(!works(&server, &thief.access));
    });
}

#[test]
fn without_a_grace_of_many_who_send_one_token_at_most_one_goes_on() {
    on_both(|site| {
        let server = site.serve_with(&STRICT);
        let (_, pair) = join(&server);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| refresh(&server, &pair.refresh).status))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        // Two in the same microsecond are as good as one.
        assert!(
            statuses.iter().all(|status| matches!(status, 200 | 401)),
            "{statuses:?}"
        );
        assert!(statuses.contains(&200) && statuses.contains(&401), "{statuses:?}");
        let running = "SELECT COUNT(*) FROM sign_in WHERE ended_at_us IS NULL";
        assert_eq!(site.number(running), 0, "the rest have ended it");
    });
}

#[test]
fn a_sign_in_that_is_not_used_is_over_and_so_is_one_that_is_old() {
    on_both(|site| {
        let server = site.serve();
        let (email, pair) = join(&server);
        site.sql("UPDATE sign_in SET expires_at_us = 1").unwrap();
        assert_eq!(refresh(&server, &pair.refresh).code(), "token_expired");
        let again = Pair::of(&login(&server, &email, PASSWORD));
        // Begun 89.9 days ago: what is left of the ninety is less than the fourteen of a new use.
        site.sql("UPDATE sign_in SET created_at_us = created_at_us - 89 * 86400000000 - 77760000000")
            .unwrap();
        assert_eq!(refresh(&server, &again.refresh).status, 200);
        let left = site.number("SELECT MAX(expires_at_us - last_used_at_us) FROM sign_in");
        assert!(
            (8_000_000_000..=8_640_000_000).contains(&left),
            "a tenth of a day: {left}"
        );
    });
}

#[test]
fn who_is_shut_out_refreshes_nothing_and_roles_are_those_of_now() {
    on_both(|site| {
        let server = site.serve();
        let (_, pair) = join(&server);
        site.sql("UPDATE users SET role = 'viewer', epoch = epoch + 1").unwrap();
        assert!(!works(&server, &pair.access));
        let answer = refresh(&server, &pair.refresh);
        assert_eq!(answer.json()["data"]["user"]["role"], "viewer");
        let pair = Pair::of(&answer);
        assert!(works(&server, &pair.access));
        site.sql("UPDATE users SET is_active = 0").unwrap();
        assert_eq!(refresh(&server, &pair.refresh).code(), "token_revoked");
    });
}

#[test]
fn signing_out_ends_the_sign_in_of_the_refresh_token_wherever_it_comes_from() {
    on_both(|site| {
        let server = site.serve();
        let (email, first) = join(&server);
        let second = Pair::of(&login(&server, &email, PASSWORD));
        let sent = format!("igny8_refresh={}", first.refresh);
        let out = || server.post("/api/v1/auth/logout/");
        let foreign = out().cookie(&sent).field("Origin", "https://evil.example").send();
        assert_eq!((foreign.status, foreign.code().as_str()), (403, "origin_refused"));
        assert!(works(&server, &first.access));
        let answer = out().cookie(&sent).send();
        assert_eq!((answer.status, answer.cookies().len()), (204, 4));
        assert!(!works(&server, &first.access) && works(&server, &second.access));
        assert_eq!(refresh(&server, &first.refresh).code(), "token_revoked");
        assert_eq!(out().json(&json!({"refresh": second.refresh})).send().status, 204);
        assert!(!works(&server, &second.access));
        assert_eq!(
            out().json(&json!({"refresh": second.refresh})).send().status,
            204,
            "however often"
        );
    });
}

#[test]
fn signing_up_ends_the_sign_in_that_the_browser_brought_if_it_succeeds() {
    on_both(|site| {
        let server = site.serve();
        let (email, before) = join(&server);
        let sent = format!("igny8_refresh={}", before.refresh);
        let up = |email: &str| {
            let body = json!({"email": email, "password": PASSWORD});
            server.post("/api/v1/auth/register/").cookie(&sent).json(&body).send()
        };
        assert_eq!(up(&email).code(), "email_taken");
        assert!(works(&server, &before.access), "nothing came of it, so nothing ended");
        assert_eq!(up(&new_email()).status, 201);
        assert!(!works(&server, &before.access));
        assert_eq!(refresh(&server, &before.refresh).code(), "token_revoked");
    });
}

fn sessions(server: &Server, access: &str) -> Vec<Value> {
    let answer = server.get("/api/v1/auth/sessions/").bearer(access).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"]["items"].as_array().unwrap().clone()
}

#[test]
fn one_sees_ones_sign_ins_and_ends_one_all_others_or_all() {
    on_both(|site| {
        let server = site.serve();
        let (email, first) = join(&server);
        let (_, stranger) = join(&server);
        let from = |agent: &str| {
            let body = json!({"email": email, "password": PASSWORD, "refresh_delivery": "body"});
            let request = server
                .post("/api/v1/auth/login/")
                .json(&body)
                .field("User-Agent", agent);
            Pair::of(&request.field("X-Forwarded-For", "203.0.113.7").send())
        };
        let (second, third) = (from("Phone/1"), from("Tablet/2"));
        let seen = sessions(&server, &second.access);
        let shown: Vec<(&str, &str, bool)> = seen
            .iter()
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap();
                (text("user_agent"), text("address"), item["current"].as_bool().unwrap())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("Tablet/2", "203.0.113.7", false),
                ("Phone/1", "203.0.113.7", true),
                ("", "127.0.0.1", false)
            ]
        );
        let text = seen.iter().map(ToString::to_string).collect::<String>();
        for sid in site.rows("SELECT sid FROM sign_in", |row| sqlx::Row::get::<String, _>(row, 0)) {
            assert!(!text.contains(&sid), "the sid is told to nobody");
        }
        let end = |access: &str, rest: &str| {
            server
                .request("DELETE", &format!("/api/v1/auth/sessions/{rest}"))
                .bearer(access)
                .send()
        };
        let id = seen[0]["id"].as_i64().unwrap();
        assert_eq!(end(&stranger.access, &format!("{id}/")).status, 404, "not theirs");
        assert_eq!(end(&second.access, &format!("{id}/")).status, 204);
        assert_eq!(end(&second.access, &format!("{id}/")).status, 404, "it is over");
        assert!(!works(&server, &third.access));
        assert_eq!(refresh(&server, &third.refresh).code(), "token_revoked");

        assert_eq!(end(&second.access, "?keep=none").status, 422);
        assert_eq!(end(&second.access, "?keep=current").status, 204);
        assert!(works(&server, &second.access) && !works(&server, &first.access));
        let answer = end(&second.access, "");
        assert_eq!((answer.status, answer.cookies().len()), (204, 4));
        assert!(!works(&server, &second.access) && works(&server, &stranger.access));
        let audited = "SELECT COUNT(*) FROM audit WHERE action LIKE 'sign_in.%'";
        assert_eq!(site.number(audited), 3);
        assert_eq!(post(&server, "sessions/", None, &json!({})).status, 405);
    });
}

#[test]
fn sign_ins_that_have_been_over_for_a_month_are_swept_away() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__INTERVAL_MS", "20")]);
        let (_, pair) = join(&server);
        let (_, kept) = join(&server);
        refresh(&server, &pair.refresh);
        site.sql("UPDATE sign_in SET created_at_us = 1, expires_at_us = 2 WHERE id = 1")
            .unwrap();
        igny8_testkit::wait::wait_until("the sweep", std::time::Duration::from_secs(30), || {
            (site.number("SELECT COUNT(*) FROM sign_in") == 1).then_some(())
        });
        assert_eq!(
            site.number("SELECT COUNT(*) FROM refresh_token WHERE sign_in_id = 1"),
            0
        );
        assert!(works(&server, &kept.access));
        assert_eq!(refresh(&server, &pair.refresh).code(), "token_invalid");
        site.is_healthy();
    });
}
