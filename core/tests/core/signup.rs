//! Signing up: the plan rule, one transaction, one account for one address.

use super::site::{PASSWORD, Site, new_email, on_both};
use serde_json::json;
use sqlx::Row;
use std::sync::atomic::{AtomicUsize, Ordering};

const MICROS_PER_DAY: i64 = 86_400_000_000;

#[test]
fn signing_up_makes_a_whole_account_in_one_go() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        assert_eq!(member.data["account"]["status"], "trial");
        assert_eq!(member.data["account"]["credits"], 2000);
        assert_eq!(member.data["account"]["plan"]["slug"], "free-trial");
        assert_eq!(member.data["account"]["plan"]["price"], "0.00");
        assert_eq!(member.data["subscription"]["status"], "trialing");
        assert_eq!(member.data["subscription"]["payment_method"], "trial");
        assert_eq!(member.data["subscription"]["cancel_at_period_end"], false);
        assert_eq!(member.data["user"]["role"], "owner");

        assert_eq!(site.number("SELECT credits FROM account"), 2000);
        assert_eq!(
            site.number("SELECT CAST(SUM(amount) AS BIGINT) FROM ledger_entry"),
            2000
        );
        assert_eq!(
            site.number("SELECT end_us - start_us FROM subscription_period"),
            14 * MICROS_PER_DAY
        );
        assert_eq!(site.number("SELECT trial_days FROM subscription"), 14);
        let entry = site.rows(
            "SELECT transaction_type, description, metadata FROM ledger_entry",
            |row| [0, 1, 2].map(|column| row.get::<String, _>(column)),
        );
        assert_eq!(entry[0][..2], ["subscription", "Initial credits from Free Trial"]);
        let metadata: serde_json::Value = serde_json::from_str(&entry[0][2]).unwrap();
        assert_eq!(metadata, json!({"registration": true, "plan_slug": "free-trial"}));
        let one_each = [
            "account",
            "users",
            "ledger_entry",
            "subscription",
            "subscription_period",
            "sign_in",
            "outbox",
        ];
        for table in one_each {
            assert_eq!(site.number(&format!("SELECT COUNT(*) FROM {table}")), 1, "{table}");
        }
        let audited = "SELECT COUNT(*) FROM audit WHERE action = 'account.registered' AND account_id IS NOT NULL";
        assert_eq!(site.number(audited), 1);

        let transactions = server
            .get("/api/v1/credits/transactions/")
            .bearer(&member.access)
            .send()
            .json();
        assert_eq!(transactions["data"]["items"][0]["balance_after"], 2000);
        assert_eq!(transactions["data"]["next"], json!(null));
        let credits = server.get("/api/v1/credits").bearer(&member.access).send().json();
        assert_eq!(credits["data"], json!({"balance": 2000, "held": 0, "available": 2000}));
        for metric in [
            "igny8_core_signup_batch_size_sum",
            "igny8_core_signup_commit_seconds_count",
        ] {
            assert_eq!(server.metric(metric), Some(1.0), "{metric}");
        }
        site.is_healthy();
    });
}

#[test]
fn without_the_free_trial_sign_up_gives_free() {
    on_both(|site| {
        site.sql("UPDATE plan SET is_active = 0 WHERE slug = 'free-trial'")
            .unwrap();
        let server = site.serve();
        let member = server.sign_up();
        assert_eq!(member.data["account"]["plan"]["slug"], "free");
        assert_eq!(member.data["account"]["credits"], 100);
        site.is_healthy();
    });
}

#[test]
fn the_emergency_flag_switches_the_free_trial_off() {
    on_both(|site| {
        let server = site.serve_with(&[("TENANCY_ENABLE_FREE_TRIAL", "false")]);
        assert_eq!(server.sign_up().data["account"]["plan"]["slug"], "free");
    });
}

fn refuses(site: &Site, body: &serde_json::Value, status: u16, code: &str) {
    let before = site.counts();
    let server = site.serve();
    let answer = server.register(body);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
    assert_eq!(site.counts(), before, "{}", site.engine);
    assert_eq!(site.people(), 0);
}

#[test]
fn without_either_plan_nothing_at_all_is_in_the_database() {
    on_both(|site| {
        site.sql("UPDATE plan SET is_active = 0 WHERE slug IN ('free-trial', 'free')")
            .unwrap();
        refuses(
            &site,
            &json!({"email": new_email(), "password": PASSWORD}),
            503,
            "plan_unavailable",
        );
    });
}

#[test]
fn a_plan_without_credits_signs_nobody_up() {
    on_both(|site| {
        site.sql("UPDATE plan SET included_credits = 0, credits_per_month = 0 WHERE slug = 'free-trial'")
            .unwrap();
        refuses(
            &site,
            &json!({"email": new_email(), "password": PASSWORD}),
            503,
            "plan_misconfigured",
        );
    });
}

#[test]
fn paid_plans_and_enterprise_are_never_given_by_sign_up() {
    on_both(|site| {
        let server = site.serve();
        let before = site.counts();
        for (slug, status, code) in [
            ("starter", 403, "paid_plan_needs_payment"),
            ("growth", 403, "paid_plan_needs_payment"),
            ("scale", 403, "paid_plan_needs_payment"),
            ("enterprise", 403, "enterprise_needs_staff"),
            ("no-such-plan", 422, "validation_failed"),
        ] {
            let answer = server.register(&json!({"email": new_email(), "password": PASSWORD, "plan_slug": slug}));
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{slug}");
        }
        assert_eq!(site.counts(), before);
        let answer = server.register(&json!({"email": new_email(), "password": PASSWORD, "plan_slug": "free"}));
        assert_eq!(answer.json()["data"]["account"]["plan"]["slug"], "free-trial");
    });
}

#[test]
fn a_hundred_sign_ups_with_one_address_at_once_make_one_account() {
    on_both(|site| {
        let server = site.serve();
        let (made, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for number in 0..100 {
                let (server, made, taken) = (&server, &made, &taken);
                scope.spawn(move || {
                    // One address, however it is written.
                    let email = ["one@example.com", "One@Example.com", " one@example.com "][number % 3];
                    let answer = server.register(&json!({"email": email, "password": PASSWORD}));
                    match answer.status {
                        201 => made.fetch_add(1, Ordering::Relaxed),
                        409 => {
                            assert_eq!(answer.code(), "email_taken");
                            taken.fetch_add(1, Ordering::Relaxed)
                        }
                        _ => panic!("{}: {}", answer.status, answer.text()),
                    };
                });
            }
        });
        assert_eq!((made.into_inner(), taken.into_inner()), (1, 99));
        for table in ["account", "users", "ledger_entry", "subscription", "sign_in", "outbox"] {
            assert_eq!(
                site.number(&format!("SELECT COUNT(*) FROM {table}")),
                1,
                "{table} on {}",
                site.engine
            );
        }
        site.is_healthy();
    });
}

#[test]
fn many_sign_ups_at_once_are_all_made_whole_and_of_two_with_one_address_one_is() {
    on_both(|site| {
        let server = site.serve();
        let (made, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (server, made, taken) = (&server, &made, &taken);
                scope.spawn(move || {
                    for number in 0..10 {
                        // Two threads at once have the same addresses.
                        let email = format!("person-{}-{number}@example.com", thread / 2);
                        let answer = server.register(&json!({"email": email, "password": PASSWORD}));
                        match (answer.status, answer.code().as_str()) {
                            (201, _) => {
                                assert_eq!(answer.json()["data"]["user"]["email"], email.as_str());
                                made.fetch_add(1, Ordering::Relaxed)
                            }
                            (409, "email_taken") => taken.fetch_add(1, Ordering::Relaxed),
                            _ => panic!("{}: {}", answer.status, answer.text()),
                        };
                    }
                });
            }
        });
        assert_eq!((made.into_inner(), taken.into_inner()), (40, 40));
        for table in [
            "account",
            "users",
            "ledger_entry",
            "credit_bucket",
            "subscription",
            "subscription_period",
            "sign_in",
            "refresh_token",
            "mailed_token",
            "outbox",
            "audit WHERE action = 'account.registered'",
        ] {
            assert_eq!(site.number(&format!("SELECT COUNT(*) FROM {table}")), 40, "{table}");
        }
        assert_eq!(site.number("SELECT CAST(SUM(credits) AS BIGINT) FROM account"), 80_000);
        site.is_healthy();
    });
}

#[test]
fn a_weak_password_is_refused_with_a_reason() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    for password in ["short", "password1", "person12", "aaaaaaaaaaaaaaaa"] {
        let answer = server.register(&json!({"email": "person@example.com", "password": password}));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (422, "weak_password"),
            "{password}"
        );
        assert!(
            answer.json()["fields"]["password"]
                .as_str()
                .is_some_and(|reason| reason.ends_with('.'))
        );
    }
    assert_eq!(site.people(), 0);
}

#[test]
fn who_hangs_up_after_asking_is_signed_up_all_the_same() {
    on_both(|site| {
        let server = site.serve();
        let body = json!({"email": "gone@example.com", "password": PASSWORD}).to_string();
        let mut connection = igny8_testkit::raw::Connection::open(&server.public).unwrap();
        let head = format!(
            "POST /api/v1/auth/register/ HTTP/1.1\r\nHost: core\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.send((head + &body).as_bytes()).unwrap();
        drop(connection);
        igny8_testkit::wait::wait_until("the account to be there", std::time::Duration::from_secs(20), || {
            (site.number("SELECT COUNT(*) FROM account") == 1).then_some(())
        });
        site.is_healthy();
    });
}
