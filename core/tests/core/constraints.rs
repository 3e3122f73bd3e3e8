//! What the database refuses whoever asks: the rules hold even where the program is wrong.

use super::site::on_both;

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
        site.is_healthy();
    });
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
