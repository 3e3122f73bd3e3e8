//! What is kept for a while alone, and swept away by the worker.

use super::site::on_both;
use super::worker::{Timed, reason};
use igny8_contract::credits::Credits;
use igny8_contract::time::{Clock, SystemClock};
use igny8_core::domain::ledger::TransactionType;
use igny8_core::storage::idempotency::RequestKey;
use sqlx::Row;

#[test]
fn answers_are_kept_under_their_key_for_as_long_as_the_configuration_says() {
    on_both(|site| {
        let timed = Timed::on(site);
        let (_, id) = timed.sign_up();
        let key = RequestKey {
            scope: [1; 32],
            body_digest: [2; 32],
        };
        let consume = || {
            timed.inside().change_with_key(id, Some(key), |book, _, now| {
                book.purse
                    .consume(Credits(1), reason(TransactionType::Consumption), now)
            })
        };
        assert!(!consume().unwrap().replayed);
        let kept = "SELECT COUNT(*) FROM idempotency_key";
        // The service's time says nothing about it: whoever sends a request again goes by the machine's.
        timed.pass(31);
        assert_eq!(timed.site.number(kept), 1);
        assert!(consume().unwrap().replayed);
        for (days, left) in [(29, 1), (31, 0)] {
            let given = SystemClock::new().now().plus_days(-days);
            timed
                .site
                .sql(&format!("UPDATE idempotency_key SET created_at_us = {}", given.0))
                .unwrap();
            timed.pass(1);
            assert_eq!(timed.site.number(kept), left, "{days} days");
        }
        timed.end();
    });
}

#[test]
fn events_of_stripes_are_kept_for_as_long_as_the_configuration_says() {
    on_both(|site| {
        let timed = Timed::on(site);
        // Nobody has anything to do with an event's account: it has none.
        let now = timed.pass(1);
        timed
            .site
            .sql(&format!(
                "INSERT INTO stripe_event (event_id, event_type, status, outcome, facts, occurred_at_us, received_at_us, \
                 processed_at_us) VALUES ('evt_1', 'x', 'ignored', 'ignored', '{{}}', {0}, {0}, {0})",
                now.0
            ))
            .unwrap();
        let kept = "SELECT COUNT(*) FROM stripe_event";
        timed.pass(89);
        assert_eq!(timed.site.number(kept), 1);
        timed.pass(2);
        assert_eq!(timed.site.number(kept), 0);
        timed.end();
    });
}

#[test]
fn sessions_of_the_panel_are_forgotten_thirty_days_after_they_are_over() {
    on_both(|site| {
        let timed = Timed::on(site);
        timed.sign_up();
        // Sessions go by the machine's time, whatever the service's is.
        for days in [29, 31] {
            let over = SystemClock::new().now().plus_days(-days);
            let hash = match timed.site.engine {
                "sqlite" => "randomblob(32)".to_owned(),
                _ => format!("sha256('{days}'::bytea)"),
            };
            timed
                .site
                .sql(&format!(
                    "INSERT INTO admin_session (token_hash, user_id, created_at_us, expires_at_us) \
                     SELECT {hash}, MAX(id), {days}, {0} FROM users",
                    over.0
                ))
                .unwrap();
        }
        timed.pass(1);
        let left = timed
            .site
            .rows("SELECT created_at_us FROM admin_session", |row| row.get::<i64, _>(0));
        assert_eq!(left, [29]);
        timed.end();
    });
}
