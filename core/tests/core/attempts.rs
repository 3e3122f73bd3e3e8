//! How often somebody may try, and what is told and taken while they do.

use super::panel::{Browser, form, make_staff};
use super::people::{NEW_PASSWORD, Pair, join, login, post, reset_link};
use super::site::{PASSWORD, Server, Site, on_both};
use igny8_testkit::raw::Response;
use serde_json::json;

const TIGHT: [(&str, &str); 2] = [
    ("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_NAME", "3"),
    ("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_ADDRESS", "6"),
];

/// Somebody tries from an address of their own.
fn tries(server: &Server, address: &str, email: &str, password: &str) -> Response {
    let request = server.post("/api/v1/auth/login/").field("X-Forwarded-For", address);
    request.json(&json!({"email": email, "password": password})).send()
}

/// As much time goes by as brings every attempt back.
fn much_later(site: &Site) {
    site.sql("UPDATE sign_in_budget SET full_at_us = 1").unwrap();
}

#[test]
fn a_name_has_so_many_attempts_whether_or_not_somebody_has_it() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let (email, _) = join(&server);
        let codes = |email: &str, network: u8| -> Vec<String> {
            (0..5)
                .map(|n| tries(&server, &format!("198.51.{network}.{n}"), email, "wrong-password-1").code())
                .collect()
        };
        let (known, unknown) = (codes(&email, 1), codes("nobody@example.com", 2));
        let expected = [
            "invalid_credentials",
            "invalid_credentials",
            "invalid_credentials",
            "throttled",
            "throttled",
        ];
        assert_eq!(known, expected);
        assert_eq!(unknown, expected, "no oracle");
        let answer = tries(&server, "198.51.3.1", &email, PASSWORD);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (429, "throttled"),
            "not even with the right one"
        );
        let seconds: i64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=300).contains(&seconds), "a third of 900 s at most: {seconds}");
        much_later(&site);
        assert_eq!(tries(&server, "198.51.3.1", &email, PASSWORD).status, 200);
    });
}

#[test]
fn an_address_has_so_many_attempts_whichever_names_it_tries() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let attempt = |address: &str, n: u8| tries(&server, address, &format!("nobody-{n}@example.com"), "x").code();
        // One /64 is one address.
        for n in 0..6 {
            assert_eq!(attempt(&format!("2001:db8:1:2::{n}"), n), "invalid_credentials");
        }
        assert_eq!(attempt("2001:db8:1:2:ffff::1", 7), "throttled");
        assert_eq!(attempt("2001:db8:1:3::1", 8), "invalid_credentials");
    });
}

#[test]
fn of_many_guesses_at_once_no_more_get_through_than_there_are_attempts() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let (email, _) = join(&server);
        let codes: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..12)
                .map(|n| {
                    let (server, email) = (&server, &email);
                    scope.spawn(move || tries(server, &format!("198.51.100.{n}"), email, "wrong-password-1").code())
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(
            codes.iter().filter(|code| *code == "invalid_credentials").count(),
            3,
            "{codes:?}"
        );
        assert_eq!(codes.iter().filter(|code| *code == "throttled").count(), 9, "{codes:?}");
    });
}

#[test]
fn a_success_gives_nobody_more_guesses() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let ((own, _), (victim, _)) = (join(&server), join(&server));
        // A stranger signs in with their own name between any two guesses.
        let codes: Vec<String> = (0..5)
            .map(|_| {
                assert_eq!(tries(&server, "203.0.113.9", &own, PASSWORD).status, 200);
                tries(&server, "203.0.113.9", &victim, "wrong-password-1").code()
            })
            .collect();
        assert_eq!(
            codes.iter().filter(|code| *code == "invalid_credentials").count(),
            3,
            "{codes:?}"
        );
        assert_eq!(codes[4], "throttled");
        // And signing in costs no attempt.
        for _ in 0..10 {
            assert_eq!(tries(&server, "203.0.113.9", &own, PASSWORD).status, 200);
        }
    });
}

#[test]
fn staff_who_sign_in_at_the_panel_are_known_there() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let email = make_staff(&site, "admin");
        let mut browser = Browser::new(&server);
        let mut at_the_panel = |address: &str| {
            let mut filled = form(&browser.get("/admin/sign-in/"), "/admin/sign-in/");
            filled.insert("email".into(), email.clone());
            filled.insert("password".into(), PASSWORD.into());
            let from = [("X-Forwarded-For", address)];
            browser.post_with("/admin/sign-in/", &filled, &from).status
        };
        assert_eq!(at_the_panel("203.0.113.7"), 303);
        for n in 0..8 {
            tries(&server, &format!("198.51.100.{n}"), &email, "wrong-password-1");
        }
        assert_eq!(at_the_panel("198.51.100.99"), 429, "strangers are shut out");
        assert_eq!(
            at_the_panel("203.0.113.7"),
            303,
            "whoever has signed in from there is not"
        );
        assert_eq!(
            tries(&server, "203.0.113.7", &email, PASSWORD).status,
            200,
            "in the app neither"
        );
    });
}

#[test]
fn a_stranger_does_not_shut_the_owner_out() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let (email, _) = join(&server);
        assert_eq!(tries(&server, "203.0.113.7", &email, PASSWORD).status, 200);
        let attack = || {
            for n in 0..8 {
                tries(&server, &format!("198.51.100.{n}"), &email, "wrong-password-1");
            }
        };
        attack();
        assert_eq!(
            tries(&server, "198.51.100.99", &email, PASSWORD).status,
            429,
            "strangers are shut out"
        );
        assert_eq!(
            tries(&server, "203.0.113.7", &email, PASSWORD).status,
            200,
            "the owner is known there"
        );
        // From somewhere new the owner's mail opens the door.
        let token = reset_link(&site, &server, &email, 1);
        let body = json!({"token": token, "new_password": NEW_PASSWORD});
        assert_eq!(post(&server, "password-reset/confirm/", None, &body).status, 204);
        assert_eq!(tries(&server, "192.0.2.44", &email, NEW_PASSWORD).status, 200);
        // Not without bound: from where the owner is known, guesses are counted, too.
        let guesses = (0..5).filter(|_| tries(&server, "203.0.113.7", &email, "wrong-password-1").status == 401);
        assert_eq!(guesses.count(), 3);
    });
}

#[test]
fn a_stolen_access_token_does_not_guess_the_password() {
    on_both(|site| {
        let server = site.serve_with(&TIGHT);
        let (email, pair) = join(&server);
        let change = |current: &str| {
            let body = json!({"current_password": current, "new_password": NEW_PASSWORD, "refresh_delivery": "body"});
            post(&server, "change-password/", Some(&pair.access), &body)
        };
        let codes: Vec<String> = (0..4).map(|_| change("wrong-password-1").code()).collect();
        assert_eq!(codes[2..], ["invalid_credentials", "throttled"]);
        assert_eq!(change(PASSWORD).status, 429);
        assert_eq!(
            login(&server, &email, PASSWORD).status,
            200,
            "signing in has a budget of its own"
        );
        much_later(&site);
        Pair::of(&change(PASSWORD));
    });
}

#[test]
fn mail_is_asked_for_so_often_from_one_address() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__MAIL__MAILS_PER_ADDRESS", "3")]);
        let ask = |n: u8| {
            post(
                &server,
                "password-reset/",
                None,
                &json!({"email": format!("nobody-{n}@example.com")}),
            )
        };
        let statuses: Vec<u16> = (0..4).map(|n| ask(n).status).collect();
        assert_eq!(statuses, [202, 202, 202, 429]);
        assert_eq!(ask(0).code(), "throttled");
    });
}

#[test]
fn budgets_that_are_full_again_are_swept_away() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__INTERVAL_MS", "20")]);
        tries(&server, "203.0.113.7", "nobody@example.com", "x");
        assert_eq!(site.number("SELECT COUNT(*) FROM sign_in_budget"), 2);
        much_later(&site);
        igny8_testkit::wait::wait_until("the sweep", std::time::Duration::from_secs(30), || {
            (site.number("SELECT COUNT(*) FROM sign_in_budget") == 0).then_some(())
        });
    });
}

/// The processor's time that a process has used so far, in clock ticks.
fn work_done(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn an_unknown_name_costs_the_same_work_as_a_known_one() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    // Hashing dear enough to be seen among everything else, and no limit that ends the measurement.
    let server = site.serve_with(&[
        ("IGNY8_CORE__PASSWORDS__MEMORY_KIB", "19456"),
        ("IGNY8_CORE__PASSWORDS__ITERATIONS", "2"),
        ("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_NAME", "1000000"),
        ("IGNY8_CORE__SIGN_IN__ATTEMPTS_PER_ADDRESS", "1000000"),
        ("IGNY8_CORE__WORKER__ENABLED", "false"),
    ]);
    let (email, _) = join(&server);
    let (mut known, mut unknown) = (0, 0);
    // In turns, so that whatever else goes on in the process falls on both.
    for _ in 0..6 {
        for (name, sum) in [(email.as_str(), &mut known), ("nobody@example.com", &mut unknown)] {
            let before = work_done(&server);
            for _ in 0..5 {
                assert_eq!(server.login(name, "wrong-password-1").code(), "invalid_credentials");
            }
            *sum += work_done(&server) - before;
        }
    }
    let (less, more) = (known.min(unknown), known.max(unknown));
    assert!(
        less >= 20,
        "there was something to measure: {known} and {unknown} ticks"
    );
    // Without the hash of nobody one of them would be next to nothing.
    assert!(
        more <= 2 * less,
        "{known} ticks for a known name, {unknown} for an unknown one"
    );
}

#[test]
fn asking_for_a_link_is_the_same_statements_for_an_unknown_name_as_for_a_known_one() {
    on_both(|site| {
        let server = site.serve_with(&[
            ("RUST_LOG", "info,sqlx::query=debug"),
            ("IGNY8_CORE__WORKER__ENABLED", "false"),
        ]);
        let (email, _) = join(&server);
        let count = |table: &str| {
            let log = server.child.log();
            let of_table = |line: &&str| line.contains("sqlx::query") && line.contains(table);
            log.lines().filter(of_table).count()
        };
        let statements = |name: &str| {
            let (mails, budgets) = (count("INTO mailed_token"), count("sign_in_budget"));
            for _ in 0..3 {
                let body = serde_json::json!({"email": name});
                assert_eq!(super::people::post(&server, "password-reset/", None, &body).status, 202);
            }
            // The last that each request does, by the same statement for somebody and for nobody.
            igny8_testkit::wait::wait_until("three links", std::time::Duration::from_secs(30), || {
                (count("INTO mailed_token") == mails + 3).then_some(())
            });
            count("sign_in_budget") - budgets
        };
        let (known, unknown) = (statements(&email), statements("nobody@example.com"));
        assert!(known >= 3 * 2, "there was something to count: {known}");
        assert_eq!(known, unknown);
    });
}
