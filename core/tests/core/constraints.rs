//! What the database refuses whoever asks: the rules hold even where the program is wrong.

use super::filled::fill;
use super::site::{Site, on_both};

#[test]
fn the_ledger_cannot_be_changed_skipped_or_overdrawn() {
    on_both(|site| {
        site.serve().sign_up();
        let entry = |sequence: i64, amount: i64, balance: i64| {
            site.sql(&format!(
                "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, \
                 metadata, created_at_us) VALUES (1, {sequence}, 'consumption', {amount}, {balance}, 'x', '{{}}', 0)"
            ))
        };
        for (sequence, amount, balance, why) in [
            (3, -1, 1999, "a sequence is skipped"),
            (1, -1, 1999, "a sequence comes twice"),
            (2, -1, 2000, "the balance does not follow"),
            (2, 0, 2000, "nothing moves"),
            (2, -2001, -1, "the balance is negative"),
        ] {
            assert!(entry(sequence, amount, balance).is_err(), "{why} on {}", site.engine);
        }
        for statement in [
            "UPDATE ledger_entry SET amount = 5",
            "UPDATE ledger_entry SET description = 'y'",
            "DELETE FROM ledger_entry",
            "UPDATE account SET credits = 5000",
            "UPDATE account SET credits = credits + 1, ledger_sequence = ledger_sequence + 1",
            "UPDATE account SET credits = -1",
            "UPDATE account SET ledger_sequence = 0",
            "DELETE FROM account",
            "UPDATE audit SET action = 'x'",
            "DELETE FROM audit",
            "INSERT INTO account (kind, name, status, plan_id, credits, created_at_us, updated_at_us) \
             VALUES ('customer', 'x', 'trial', 1, 5, 0, 0)",
        ] {
            assert!(site.sql(statement).is_err(), "{statement} on {}", site.engine);
        }
        site.is_healthy();
        entry(2, -300, 1700).expect("an entry that continues is taken");
        site.sql("UPDATE credit_bucket SET remaining = 1700").unwrap();
        assert_eq!(site.number("SELECT credits FROM account"), 1700);
        assert_eq!(site.number("SELECT ledger_sequence FROM account"), 2);
        site.is_healthy();
    });
}

#[test]
fn periods_tile_or_are_refused() {
    on_both(|site| {
        site.serve().sign_up();
        let end = site.number("SELECT end_us FROM subscription_period");
        let period = |sequence: i64, previous: &str, start: i64, end: i64| {
            site.sql(&format!(
                "INSERT INTO subscription_period (subscription_id, sequence, previous_sequence, start_us, end_us, \
                 created_at_us) VALUES (1, {sequence}, {previous}, {start}, {end}, 0)"
            ))
        };
        for (sequence, previous, start, why) in [
            (2, "1", end + 1, "a gap"),
            (2, "1", end - 1, "an overlap"),
            (3, "2", end, "a missing sequence"),
            (3, "1", end, "a skipped sequence"),
            (2, "NULL", end, "a second first period"),
            (1, "NULL", end, "a sequence twice"),
            (0, "NULL", end, "a sequence before the first"),
        ] {
            assert!(
                period(sequence, previous, start, end + 100).is_err(),
                "{why} on {}",
                site.engine
            );
        }
        assert!(period(2, "1", end, end).is_err(), "an empty period");
        period(2, "1", end, end + 100).expect("a period that continues is taken");
        for statement in [
            format!("UPDATE subscription_period SET end_us = {} WHERE sequence = 1", end - 1),
            format!(
                "UPDATE subscription_period SET start_us = {} WHERE sequence = 2",
                end + 1
            ),
            "DELETE FROM subscription_period WHERE sequence = 2".to_owned(),
        ] {
            assert!(site.sql(&statement).is_err(), "{statement} on {}", site.engine);
        }
        site.sql(&format!(
            "UPDATE subscription_period SET end_us = {} WHERE sequence = 2",
            end + 50
        ))
        .expect("the last period can be closed early");
        // A trial has one period; that there are two is all that is found.
        let found = site.findings();
        assert!(
            found.iter().all(|(_, what)| what.contains("its trial is of")),
            "{found:?}"
        );
    });
}

/// The file may be opened by any program: here by the interpreter of the system, with its own SQLite, which checks no foreign
/// keys unless it is asked to.
#[test]
fn a_program_of_somebody_elses_can_write_to_the_file_and_add_no_period_that_leaves_a_gap() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    site.serve().sign_up();
    let end = site.number("SELECT end_us FROM subscription_period");
    let file = site.url.trim_start_matches("sqlite://");
    let writes = |sql: &str| {
        let program = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as file: file.execute(sys.argv[2])";
        let done = std::process::Command::new("python3")
            .args(["-c", program, file, sql])
            .output();
        let done = done.unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        done.status.success().then_some(()).ok_or(told)
    };
    let insert = |sequence: i64, start: i64| {
        format!(
            "INSERT INTO subscription_period (subscription_id, sequence, previous_sequence, start_us, end_us, \
             created_at_us) VALUES (1, {sequence}, {} , {start}, {}, 0)",
            sequence - 1,
            start + 100
        )
    };
    let feed = "SELECT MAX(seq) FROM feed_change";
    let before = site.number(feed);
    assert_eq!(
        writes("UPDATE account SET status = 'suspended', suspend_reason = 'staff'"),
        Ok(())
    );
    assert_eq!(site.number(feed), before + 1, "proxies are told");
    for (sql, what) in [
        (insert(2, end + 1), "a gap"),
        (insert(2, end - 1), "an overlap"),
        (insert(3, end), "a missing sequence"),
    ] {
        assert!(
            writes(&sql).is_err_and(|told| told.contains("begins where the one before it ends")),
            "{what}"
        );
    }
    assert_eq!(writes(&insert(2, end)), Ok(()));
}

#[test]
fn words_flags_and_links_are_checked() {
    on_both(|site| {
        site.serve().sign_up();
        for statement in [
            "UPDATE account SET status = 'frozen'",
            "UPDATE account SET status = 'suspended'",
            "UPDATE account SET suspend_reason = 'staff'",
            "UPDATE account SET plan_id = NULL",
            "UPDATE account SET plan_id = 99",
            "UPDATE users SET email = 'Ada@example.com'",
            "UPDATE users SET is_active = 2",
            "UPDATE users SET is_superuser = 1",
            "UPDATE users SET role = 'god'",
            "UPDATE subscription SET status = 'paid'",
            "UPDATE subscription SET payment_method = 'cash'",
            "INSERT INTO subscription (account_id, plan_id, status, trial_days, cancel_at_period_end, created_at_us, \
             updated_at_us) VALUES (1, 1, 'trialing', 14, 0, 0, 0)",
            "INSERT INTO sign_in (sid, user_id, created_at_us) VALUES ('x', 99, 0)",
            "UPDATE plan SET price_minor = -1",
            "DELETE FROM plan WHERE slug = 'free-trial'",
        ] {
            assert!(site.sql(statement).is_err(), "{statement} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn buckets_and_holds_are_checked() {
    on_both(|site| {
        fill(&site);
        let bucket = |values: &str| {
            format!(
                "INSERT INTO credit_bucket (account_id, number, kind, priority, remaining, held, subscription_number, \
                 period_sequence, grant_number, created_at_us) VALUES ({values}, 0)"
            )
        };
        let hold = |values: &str| {
            format!(
                "INSERT INTO credit_hold (account_id, number, status, amount, confirmed_amount, ended_at_us, description, \
                 metadata, expires_at_us, created_at_us) VALUES ({values}, 'x', '{{}}', 1, 0)"
            )
        };
        let part = |values: &str| {
            format!(
                "INSERT INTO credit_hold_part (account_id, hold_number, position, bucket_number, amount) VALUES ({values})"
            )
        };
        for (statement, why) in [
            (bucket("1, 1, 'bonus', 20, 5, 0, NULL, NULL, NULL"), "a number twice"),
            (
                bucket("1, 0, 'bonus', 20, 5, 0, NULL, NULL, NULL"),
                "a number before the first",
            ),
            (bucket("1, 2, 'gift', 20, 5, 0, NULL, NULL, NULL"), "an unknown kind"),
            (
                bucket("1, 2, 'bonus', 20, -1, 0, NULL, NULL, NULL"),
                "less than nothing",
            ),
            (
                bucket("1, 2, 'bonus', 20, 5, 6, NULL, NULL, NULL"),
                "more held than there is",
            ),
            (
                bucket("1, 2, 'bonus', 20, 5, -1, NULL, NULL, NULL"),
                "less than nothing held",
            ),
            (bucket("1, 2, 'plan', 10, 5, 0, 1, 1, 1"), "a grant twice"),
            (bucket("1, 2, 'plan', 10, 5, 0, 1, NULL, 1"), "half a grant"),
            (bucket("99, 1, 'bonus', 20, 5, 0, NULL, NULL, NULL"), "nobody's"),
            ("DELETE FROM credit_bucket".into(), "never deleted"),
            (hold("3, 1, 'open', 5, 0, NULL"), "a number twice"),
            (hold("3, 0, 'open', 5, 0, NULL"), "a number before the first"),
            (hold("3, 9, 'lost', 5, 0, NULL"), "an unknown status"),
            (hold("3, 9, 'open', 0, 0, NULL"), "nothing set aside"),
            (hold("3, 9, 'confirmed', 5, 6, 1"), "more confirmed than set aside"),
            (hold("3, 9, 'confirmed', 5, 0, 1"), "nothing confirmed"),
            (hold("3, 9, 'released', 5, 1, 1"), "released and confirmed"),
            (hold("3, 9, 'open', 5, 0, 1"), "open and ended"),
            (hold("3, 9, 'expired', 5, 0, NULL"), "ended and without a time"),
            (hold("99, 1, 'open', 5, 0, NULL"), "nobody's"),
            (part("3, 1, 1, 1, 5"), "a position twice"),
            (part("3, 99, 1, 1, 5"), "of no hold"),
            (part("3, 1, 9, 99, 5"), "of no bucket"),
            (part("3, 1, 9, 1, 0"), "of nothing"),
            ("UPDATE account SET bucket_count = -1".into(), "a count"),
            ("UPDATE account SET hold_count = -1".into(), "a count"),
        ] {
            assert!(site.sql(&statement).is_err(), "{why}: {statement} on {}", site.engine);
        }
        site.is_healthy();
    });
}

/// A payment with these values of its first columns.
fn payment(values: &str) -> String {
    format!(
        "INSERT INTO payment (account_id, method, status, plan_id, reference, amount_minor, external_payment_id, \
         period_sequence, confirmed_at_us, currency, created_at_us) VALUES ({values}, 'USD', 0)"
    )
}

/// A receipt of this payment.
fn receipt(number: i64, payment: i64) -> String {
    format!(
        "INSERT INTO receipt (number, account_id, payment_id, account_name, payer_name, plan_name, amount_minor, \
         currency, method, external_payment_id, period_start_us, period_end_us, issued_at_us) \
         VALUES ({number}, 1, {payment}, '', '', '', 1, 'USD', 'stripe', 'x', 0, 1, 0)"
    )
}

#[test]
fn receipts_are_checked() {
    on_both(|site| {
        fill(&site);
        let paid = site.number("SELECT MIN(payment_id) FROM receipt");
        for (statement, why) in [
            (receipt(99, paid), "a second receipt of a payment"),
            (receipt(99, 999), "a receipt of no payment"),
            (receipt(0, 2), "a number before the first"),
            ("UPDATE receipt SET amount_minor = 1".into(), "never changed"),
            ("DELETE FROM receipt".into(), "never deleted"),
            (
                "INSERT INTO receipt_counter (id, last_number) VALUES (2, 0)".into(),
                "one counter",
            ),
        ] {
            assert!(site.sql(&statement).is_err(), "{why}: {statement} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn payments_are_checked() {
    on_both(|site| {
        fill(&site);
        let known = "SELECT external_payment_id FROM payment WHERE account_id = 13";
        let known = &site.rows(known, |row| sqlx::Row::get::<String, _>(row, 0))[0];
        for (statement, why) in [
            (
                payment("2, 'bank_transfer', 'pending', 3, 'again', 1, NULL, NULL, NULL"),
                "a second pending one",
            ),
            (
                payment("1, 'bank_transfer', 'pending', 3, 'IG-2', 1, NULL, NULL, NULL"),
                "a reference twice",
            ),
            (
                payment("1, 'bank_transfer', 'pending', 3, NULL, 1, NULL, NULL, NULL"),
                "pending without a reference",
            ),
            (
                payment("1, 'cash', 'pending', 3, 'r', 1, NULL, NULL, NULL"),
                "an unknown method",
            ),
            (
                payment("1, 'stripe', 'lost', 3, 'r', 1, NULL, NULL, NULL"),
                "an unknown status",
            ),
            (
                payment("1, 'stripe', 'pending', 3, 'r', 0, NULL, NULL, NULL"),
                "nothing paid",
            ),
            (
                payment("1, 'stripe', 'pending', 99, 'r', 1, NULL, NULL, NULL"),
                "for no plan",
            ),
            (
                payment("99, 'stripe', 'pending', 3, 'r', 1, NULL, NULL, NULL"),
                "nobody's",
            ),
            (
                payment(&format!("1, 'stripe', 'confirmed', 3, NULL, 1, '{known}', 1, 1")),
                "the same one twice",
            ),
            (
                payment("1, 'stripe', 'confirmed', 3, NULL, 1, NULL, 1, 1"),
                "confirmed without a name",
            ),
            (
                payment("1, 'stripe', 'confirmed', 3, NULL, 1, 'new', NULL, 1"),
                "confirmed for no period",
            ),
            (
                payment("1, 'stripe', 'confirmed', 3, NULL, 1, 'new', 1, NULL"),
                "confirmed at no time",
            ),
            (
                payment("1, 'stripe', 'pending', 3, 'r', 1, 'new', 1, 1"),
                "pending and whole",
            ),
        ] {
            assert!(site.sql(&statement).is_err(), "{why}: {statement} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn terms_keys_events_and_the_clock_are_checked() {
    on_both(|site| {
        fill(&site);
        let key = |scope: &str, digest: &str, account: i64| {
            let bytes = |hex: &str| {
                if site.engine == "sqlite" {
                    format!("X'{hex}'")
                } else {
                    format!("'\\x{hex}'")
                }
            };
            format!(
                "INSERT INTO idempotency_key (scope, account_id, body_digest, status, answer, created_at_us) \
                 VALUES ({}, {account}, {}, 200, '{{}}', 0)",
                bytes(scope),
                bytes(digest)
            )
        };
        let event = |values: &str| {
            format!(
                "INSERT INTO stripe_event (event_id, status, stripe_subscription_id, processed_at_us, event_type, facts, \
                 outcome, occurred_at_us, received_at_us) VALUES ({values}, 'x', '{{}}', '', 0, 0)"
            )
        };
        let link = |values: &str| {
            format!("INSERT INTO stripe_subscription (id, account_id, reference, created_at_us) VALUES ({values}, 0)")
        };
        let (kept, other) = ("07".repeat(32), "09".repeat(32));
        for (statement, why) in [
            ("UPDATE plan SET calendar_anchor = 2".into(), "a flag"),
            (
                "UPDATE subscription SET number = 0 WHERE account_id = 1".into(),
                "a number before the first",
            ),
            (
                "UPDATE subscription SET number = 1 WHERE account_id = 12".into(),
                "a number twice",
            ),
            (
                "UPDATE subscription SET trial_grace_days = 367".into(),
                "a grace of more than a year",
            ),
            ("UPDATE subscription SET grants = -1".into(), "a count"),
            (key(&kept, &other, 1), "a key twice"),
            (key("07", &other, 1), "a digest of another length"),
            (key(&other, "07", 1), "a digest of another length"),
            (key(&other, &other, 99), "nobody's"),
            (event("'evt_1', 'done', NULL, 0"), "an event twice"),
            (event("'evt_9', 'lost', NULL, 0"), "an unknown status"),
            (event("'evt_9', 'waiting', NULL, NULL"), "waiting for nothing"),
            (event("'evt_9', 'waiting', 'sub_9', NULL"), "waiting for nobody"),
            (event("'evt_9', 'waiting', 'sub_2', 0"), "waiting and carried out"),
            (event("'evt_9', 'done', 'sub_2', NULL"), "carried out at no time"),
            (link("'sub_2', NULL, NULL"), "a subscription twice"),
            (link("'sub_9', 99, NULL"), "nobody's"),
            (link("'sub_9', NULL, 'r'"), "a reference of nobody's"),
            (
                "INSERT INTO test_clock (id, ahead_us) VALUES (2, 0)".into(),
                "one clock",
            ),
            ("UPDATE test_clock SET ahead_us = -1".into(), "behind the machine's"),
        ] {
            assert!(site.sql(&statement).is_err(), "{why}: {statement} on {}", site.engine);
        }
        site.sql(&key(&other, &other, 1)).expect("another key is taken");
        site.sql(&event("'evt_9', 'waiting', 'sub_2', NULL"))
            .expect("another event is taken");
        site.is_healthy();
    });
}
