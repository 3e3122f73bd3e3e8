//! The doctor on real databases: silent on a sound one, and finding what is broken, account by account.

use super::filled::{ANNUAL, BUSY, CANCELLED, PAST_DUE, RESTARTED, STRIPE, WAITING, fill};
use super::site::{Site, on_both};

#[test]
fn a_database_in_which_everything_has_happened_is_sound() {
    on_both(|site| {
        fill(&site);
        site.is_healthy();
        let statuses = site.rows(
            "SELECT DISTINCT status || COALESCE(suspend_reason, '') AS standing FROM account ORDER BY standing",
            |row| sqlx::Row::get::<String, _>(row, 0),
        );
        let every = [
            "active",
            "cancelled",
            "past_due",
            "pending_payment",
            "suspendedabuse",
            "suspendedpayment_overdue",
            "suspendedtrial_ended",
            "trial",
        ];
        assert_eq!(statuses, every, "it is filled");
        let holds = "SELECT COUNT(DISTINCT status) FROM credit_hold";
        assert_eq!(site.number(holds), 4, "open, confirmed, released, expired");
    });
}

/// What is done to a sound database, the account that it is done to (0 for none in particular), and what is found.
fn breaks() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        (
            "UPDATE ledger_entry SET amount = amount - 1 WHERE account_id = 1 AND sequence = 1",
            1,
            "its ledger comes to",
        ),
        (
            "UPDATE ledger_entry SET sequence = 9 WHERE account_id = 1 AND sequence = 2",
            1,
            "entry 9 does not continue",
        ),
        (
            "UPDATE account SET credits = credits + 1 WHERE id = 2",
            2,
            "its ledger comes to",
        ),
        (
            "UPDATE credit_bucket SET remaining = remaining + 1 WHERE account_id = 2",
            2,
            "its buckets hold",
        ),
        (
            "UPDATE account SET bucket_count = 7 WHERE id = 2",
            2,
            "it counts 7 buckets",
        ),
        (
            "UPDATE credit_bucket SET period_sequence = 9 WHERE account_id = 2",
            2,
            "a period that there is not",
        ),
        (
            "UPDATE credit_bucket SET kind = 'plan' WHERE account_id = 3 AND kind = 'purchased'",
            BUSY,
            "does not fit",
        ),
        (
            "UPDATE credit_hold SET amount = amount + 1 WHERE account_id = 3 AND number = 1",
            BUSY,
            "its parts come to",
        ),
        (
            "DELETE FROM credit_hold_part WHERE account_id = 3 AND hold_number = 4",
            BUSY,
            "its holds come to",
        ),
        (
            "UPDATE account SET hold_count = 1 WHERE id = 3",
            BUSY,
            "it counts 1 holds",
        ),
        (
            "UPDATE subscription SET grants = 13 WHERE account_id = 4",
            ANNUAL,
            "13 grants of 12",
        ),
        (
            "UPDATE subscription SET grants = 4 WHERE account_id = 4",
            ANNUAL,
            "the worker would come",
        ),
        (
            "DELETE FROM credit_bucket WHERE account_id = 4 AND grant_number = 5",
            ANNUAL,
            "no bucket of its latest grant",
        ),
    ]
}

/// More of the same: subscriptions, and what stands in the audit.
fn more_breaks() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        (
            "UPDATE subscription_period SET start_us = start_us + 1 WHERE sequence = 2 AND subscription_id = 4",
            ANNUAL,
            "a gap",
        ),
        (
            "UPDATE account SET due_us = NULL WHERE id = 5",
            PAST_DUE,
            "the worker would come never",
        ),
        (
            "UPDATE account SET status = 'active' WHERE id = 5",
            PAST_DUE,
            "its subscription says past_due",
        ),
        (
            "UPDATE subscription SET ended_at_us = 1 WHERE account_id = 5",
            PAST_DUE,
            "its end says otherwise",
        ),
        (
            "DELETE FROM payment WHERE account_id = 7",
            WAITING,
            "its subscription says suspended trial_ended",
        ),
        (
            "UPDATE subscription SET ended_at_us = NULL WHERE account_id = 9",
            CANCELLED,
            "its end says otherwise",
        ),
        (
            "UPDATE subscription SET number = 3 WHERE account_id = 12 AND number = 2",
            RESTARTED,
            "the last one is number 3",
        ),
        (
            "DELETE FROM audit WHERE account_id = 12 AND action = 'subscription.activated'",
            RESTARTED,
            "subscription 2 is not in the audit",
        ),
        (
            "DELETE FROM audit WHERE account_id = 12 AND action = 'payment.confirmed'",
            RESTARTED,
            "is not in the audit",
        ),
    ]
}

/// And of plans, trials and how they are paid.
fn breaks_of_terms() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        (
            "UPDATE account SET plan_id = (SELECT id FROM plan WHERE slug = 'growth') WHERE id = 5",
            PAST_DUE,
            "its plan is not that of subscription 1",
        ),
        (
            "UPDATE subscription SET plan_id = (SELECT id FROM plan WHERE slug = 'growth') WHERE account_id = 12 AND number = 2",
            RESTARTED,
            "bought another plan than subscription 2 has",
        ),
        (
            "DELETE FROM credit_bucket WHERE account_id = 4 AND period_sequence = 2 AND grant_number = 1",
            ANNUAL,
            "period 2 of subscription 1 is without its first grant",
        ),
        (
            "DELETE FROM credit_bucket WHERE account_id = 13 AND period_sequence = 3",
            STRIPE,
            "period 3 of subscription 1 is without its first grant",
        ),
        (
            "UPDATE subscription SET granting_sequence = 9 WHERE account_id = 13",
            STRIPE,
            "no bucket of its latest grant",
        ),
        (
            "UPDATE subscription SET granting_sequence = NULL WHERE account_id = 13",
            STRIPE,
            "no bucket of its latest grant",
        ),
        (
            "UPDATE subscription SET payment_method = 'trial' WHERE account_id = 5",
            PAST_DUE,
            "it is past_due and paid by trial",
        ),
        (
            "UPDATE subscription SET payment_method = 'manual' WHERE account_id = 1",
            1,
            "it is trialing and paid by manual",
        ),
        (
            "UPDATE account SET payment_method = 'stripe' WHERE id = 5",
            PAST_DUE,
            "it pays by stripe and its subscription is paid by bank_transfer",
        ),
        (
            "UPDATE subscription SET trial_days = 15 WHERE account_id = 1",
            1,
            "its trial is of 15 days",
        ),
        (
            "DELETE FROM audit WHERE account_id = 12 AND action = 'account.registered'",
            RESTARTED,
            "its registration is not in the audit",
        ),
        (
            "DELETE FROM outbox WHERE account_id = 12 AND topic = 'account.registered'",
            0,
            "the registration of account 12 is not in the outbox",
        ),
    ]
}

/// And of payments, receipts and what Stripe has said.
fn breaks_of_payments() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        ("DELETE FROM receipt WHERE account_id = 12", RESTARTED, "has no receipt"),
        (
            "UPDATE receipt SET amount_minor = 1 WHERE account_id = 12",
            RESTARTED,
            "does not say what payment",
        ),
        (
            "UPDATE payment SET period_sequence = 9 WHERE account_id = 12",
            RESTARTED,
            "for a period that there is not",
        ),
        ("DELETE FROM users WHERE account_id = 12", RESTARTED, "it has no user"),
        ("DELETE FROM stripe_subscription", STRIPE, "not known as the account's"),
        (
            "INSERT INTO stripe_event (event_id, event_type, status, outcome, stripe_subscription_id, facts, occurred_at_us, \
             received_at_us) VALUES ('evt_9', 'x', 'waiting', 'waiting', 'sub_1', '{}', 0, 0)",
            STRIPE,
            "waits for a payment that has come",
        ),
        (
            "DELETE FROM receipt WHERE number = 2",
            0,
            "receipts and the last one is number",
        ),
        ("UPDATE receipt_counter SET last_number = 99", 0, "counted up to 99"),
    ]
}

/// The same for keys and people.
fn broken_people() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        (
            "UPDATE api_key SET user_id = 2",
            1,
            "acts for a user of another account",
        ),
        (
            "UPDATE invitation SET accepted_at_us = 1, accepted_by = 2",
            1,
            "was accepted by a user of another account",
        ),
        (
            "UPDATE users SET removed_at_us = 1 WHERE account_id = 12",
            RESTARTED,
            "was removed and can sign in",
        ),
    ]
}

/// And of the same: sign-ins and second factors.
fn breaks_of_identity() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        (
            "DELETE FROM refresh_token WHERE sign_in_id = 2",
            2,
            "sign-in 2 has 0 refresh tokens",
        ),
        (
            "INSERT INTO refresh_token (sign_in_id, generation, token_hash, next_nonce, spent_at_us) \
             SELECT 2, 2, nonce, nonce, 1 FROM mailed_token WHERE id = 2",
            2,
            "is not its newest",
        ),
        ("DELETE FROM totp_recovery_code", 14, "never got the recovery codes"),
    ]
}

/// And of the feed that proxies follow, and of mail.
fn breaks_of_feed_and_mail() -> Vec<(&'static str, i64, &'static str)> {
    vec![
        ("DELETE FROM feed_head", 0, "the feed has no head"),
        ("DELETE FROM key_set", 0, "no note of the published key set"),
        ("UPDATE feed_head SET seq = seq - 1", 0, "and its last row is"),
        ("UPDATE feed_head SET seq = seq + 1", 0, "and its last row is"),
        ("DELETE FROM feed_change", 0, "and its last row is none"),
        (
            "UPDATE feed_head SET stamp = stamp + 1",
            0,
            "another stamp than its head",
        ),
        (
            "INSERT INTO feed_change (seq, what, subject, stamp, at_us) \
             SELECT MIN(seq), 'user', 'nobody', MIN(stamp) + 1, MIN(at_us) FROM feed_change WHERE seq = 3",
            0,
            "the feed's number 3 has several stamps",
        ),
        (
            "UPDATE mailed_token SET purpose = 'invitation' WHERE id = 2",
            2,
            "mail 2 is of no invitation of the account",
        ),
        (
            "INSERT INTO mailed_token (purpose, user_id, recipient, nonce, token_hash, created_at_us, expires_at_us, due_at_us) \
             SELECT 'invitation', invited_by, email, token_hash, token_hash, 1, 2, 1 FROM invitation; \
             UPDATE invitation SET revoked_at_us = 1",
            1,
            "is over and its mail waits to be sent",
        ),
    ]
}

#[test]
fn a_feed_whose_old_rows_were_swept_is_sound() {
    on_both(|site| {
        fill(&site);
        site.sql("DELETE FROM feed_change WHERE seq < (SELECT seq FROM feed_head)")
            .unwrap();
        site.is_healthy();
    });
}

#[test]
fn whatever_is_broken_is_found_where_it_is() {
    on_both(|site| {
        fill(&site);
        let all = [
            breaks(),
            more_breaks(),
            breaks_of_terms(),
            breaks_of_payments(),
            broken_people(),
            breaks_of_identity(),
            breaks_of_feed_and_mail(),
        ];
        for (statement, account, sentence) in all.concat() {
            let twin = site.twin();
            twin.tamper(statement);
            let found = twin.findings();
            let told = found.iter().any(|(id, what)| *id == account && what.contains(sentence));
            assert!(told, "{statement} on {}: {found:?}", site.engine);
            let elsewhere = found.iter().any(|(id, _)| *id != account && *id != 0);
            assert!(account == 0 || !elsewhere, "{statement} on {}: {found:?}", site.engine);
        }
    });
}

/// More entries than are read at once.
const MANY: i64 = 120_000;

/// Adds entries that give a credit and take it again, so that the balance stays.
fn lengthen(site: &Site, entries: i64) {
    site.sql(&format!(
        "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, metadata, \
         created_at_us) WITH RECURSIVE counted (number) AS \
         (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < {entries}) \
         SELECT 1, 1 + number, 'adjustment', CASE WHEN number % 2 = 1 THEN 1 ELSE -1 END, 2000 + number % 2, 'x', '{{}}', 0 \
         FROM counted"
    ))
    .unwrap();
}

#[test]
fn a_long_ledger_is_gone_through_in_pages() {
    on_both(|site| {
        super::inside::Inside::of(&site, super::filled::BEGUN).sign_up();
        lengthen(&site, MANY);
        site.is_healthy();
        // On the border of two pages, and in the middle of one.
        site.tamper("UPDATE ledger_entry SET balance_after = 9 WHERE sequence = 50001");
        let found = site.findings();
        assert!(
            found.contains(&(1, "ledger entry 50001 does not continue the one before it".into())),
            "{found:?}"
        );
        site.tamper("UPDATE ledger_entry SET balance_after = 2000 WHERE sequence = 50001");
        site.is_healthy();
        site.tamper("UPDATE ledger_entry SET amount = 5 WHERE sequence = 77777");
        let found = site.findings();
        assert!(
            found.contains(&(1, "ledger entry 77777 does not continue the one before it".into())),
            "{found:?}"
        );
    });
}
