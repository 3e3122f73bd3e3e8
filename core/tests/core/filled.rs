//! A database in which everything has happened that can happen: every status of accounts, subscriptions, payments and holds.

use super::inside::Inside;
use super::site::{PASSWORD, Site};
use igny8_contract::claims::PlatformRole;
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::standing::SuspendReason;
use igny8_contract::time::Timestamp;
use igny8_core::app::staff::{self, NewStaff};
use igny8_core::domain::ledger::TransactionType;
use igny8_core::domain::purse::{BucketKind, Reason};
use igny8_core::domain::subscription::PaymentMethod;
use igny8_core::storage::idempotency::RequestKey;

/// When the first accounts signed up: 2024-01-01T00:00:00Z.
pub const BEGUN: Timestamp = Timestamp(1_704_067_200_000_000);

/// The account whose credits have seen everything. The others are told apart by their states.
pub const BUSY: i64 = 3;
pub const ANNUAL: i64 = 4;
pub const PAST_DUE: i64 = 5;
pub const WAITING: i64 = 7;
pub const CANCELLED: i64 = 9;
pub const RESTARTED: i64 = 12;
pub const STRIPE: i64 = 13;

fn day(count: i64) -> Timestamp {
    BEGUN.plus_days(count)
}

fn reason(transaction_type: TransactionType) -> Reason {
    Reason::plain(transaction_type, "x")
}

/// Fills a database that has its schema and plans.
pub fn fill(site: &Site) {
    let mut inside = Inside::of(site, BEGUN);
    inside.core.billing.seller = "Igny8 Ltd\n1 High Street".into();
    yearly_plan(site);
    let ids: Vec<AccountId> = (0..13).map(|_| inside.sign_up()).collect();
    assert_eq!(ids.last(), Some(&AccountId(13)));
    let [
        fresh,
        upgrading,
        busy,
        annual,
        past_due,
        overdue,
        waiting,
        ended,
        cancelled,
        enterprise,
        abused,
        restarted,
        stripe,
    ] = ids.try_into().unwrap();
    let bank = PaymentMethod::BankTransfer;

    consume_under_a_key(&inside, fresh);
    for (id, on) in [(upgrading, 1), (busy, 1), (waiting, 3)] {
        let plan = inside.plan("starter");
        inside.at(day(on)).change(id, |book, _, _| {
            book.request_upgrade(&plan, bank, format!("IG-{}", book.account_id))
                .map(drop)
        });
    }
    fill_busy(&inside, busy);
    inside.at(day(1)).pay(annual, "yearly", bank);
    for id in [past_due, overdue, cancelled] {
        inside.at(BEGUN.plus_seconds(1)).pay(id, "starter", bank);
    }
    inside.pay(stripe, "yearly", PaymentMethod::Stripe);
    inside.change(stripe, |book, _, _| {
        book.running()?.stripe_subscription_id = Some("sub_1".into());
        Ok(())
    });
    inside.change(cancelled, |book, _, _| book.cancel_at_period_end(true));
    let plan = inside.plan("enterprise");
    inside
        .at(day(2))
        .change(enterprise, |book, _, now| book.assign(&plan, now));
    inside.change(abused, |book, _, _| {
        book.suspend(SuspendReason::Abuse);
        Ok(())
    });
    for id in [waiting, ended, restarted] {
        assert!(inside.at(day(14)).tick(id));
    }
    inside.at(day(20)).pay(restarted, "starter", bank);
    for (id, on) in [
        (past_due, 31),
        (cancelled, 31),
        (overdue, 38),
        (enterprise, 70),
        (annual, 125),
    ] {
        assert!(inside.at(day(on)).tick(id), "{id}");
    }
    // Of the period that runs there are grants to come, and of the one that was paid ahead.
    inside.at(day(125)).pay(stripe, "yearly", PaymentMethod::Stripe);
    make_root(&inside);
    drop(inside);
    what_no_story_makes(site);
}

fn consume_under_a_key(inside: &Inside, id: AccountId) {
    let key = RequestKey {
        scope: [7; 32],
        body_digest: [8; 32],
    };
    let consumed = inside.change_with_key(id, Some(key), |book, _, now| {
        book.purse
            .consume(Credits(300), reason(TransactionType::Consumption), now)
    });
    assert!(consumed.is_ok());
}

fn make_root(inside: &Inside) {
    let new = NewStaff {
        email: "root@example.com".into(),
        password: PASSWORD.to_owned().into(),
        first_name: String::new(),
        last_name: String::new(),
        platform_role: PlatformRole::Admin,
        is_superuser: true,
    };
    inside.run(staff::create(&inside.core, new)).unwrap();
}

fn yearly_plan(site: &Site) {
    site.sql(
        "INSERT INTO plan (slug, name, price_minor, currency, billing_cycle, included_credits, credits_per_month, \
         trial_days, calendar_anchor, is_active, by_agreement, position, created_at_us, updated_at_us) \
         VALUES ('yearly', 'Yearly', 29900, 'USD', 'annual', 1200, 0, 14, 1, 1, 0, 9, 0, 0)",
    )
    .unwrap();
}

/// Buckets of every kind, and holds that ended in every way or are open.
fn fill_busy(inside: &Inside, id: AccountId) {
    inside.at(day(4)).pay(id, "starter", PaymentMethod::BankTransfer);
    inside.at(day(5)).change(id, |book, _, now| {
        let purse = &mut book.purse;
        purse.add(
            BucketKind::Purchased,
            Credits(500),
            None,
            reason(TransactionType::Purchase),
        )?;
        purse.add(
            BucketKind::Bonus,
            Credits(100),
            Some(day(90)),
            reason(TransactionType::Bonus),
        )?;
        purse.add(
            BucketKind::Bonus,
            Credits(40),
            Some(day(6)),
            reason(TransactionType::Bonus),
        )?;
        purse.consume(Credits(700), reason(TransactionType::Consumption), now)?;
        for (amount, until) in [(60, day(100)), (70, day(100)), (80, day(6))] {
            purse.hold(Credits(amount), until, "draft".into(), "{}".into(), now)?;
        }
        Ok(())
    });
    inside.at(day(7)).change(id, |book, _, now| {
        book.purse
            .confirm(1, Credits(20), reason(TransactionType::Consumption), now)?;
        book.purse.release(2, now)?;
        book.purse
            .hold(Credits(4400), day(100), "long".into(), "{}".into(), now)?;
        book.purse
            .consume(Credits(30), reason(TransactionType::Consumption), now)
    });
    inside.at(day(33)).pay(id, "starter", PaymentMethod::BankTransfer);
}

/// Rows that come from outside.
fn what_no_story_makes(site: &Site) {
    let bytes = |count| match site.engine {
        "sqlite" => format!("X'{}'", "a0".repeat(count)),
        _ => format!("'\\x{}'", "a0".repeat(count)),
    };
    let (hash, sealed) = (bytes(32), bytes(48));
    for statement in [
        format!(
            "INSERT INTO admin_session (token_hash, user_id, created_at_us, expires_at_us) VALUES ({hash}, 14, 1, 2)"
        ),
        format!(
            "INSERT INTO api_key (account_id, user_id, name, visible, secret_hash, role, created_at_us) \
             VALUES (1, 1, 'x', 'igk_00000000', {hash}, 'editor', 1)"
        ),
        format!(
            "INSERT INTO invitation (account_id, email, role, token_hash, invited_by, created_at_us, expires_at_us) \
             VALUES (1, 'grace@example.com', 'viewer', {hash}, 1, 1, 2)"
        ),
        "INSERT INTO stripe_subscription (id, account_id, reference, mirrored_at_us, created_at_us) \
         VALUES ('sub_1', 13, NULL, 3, 2), ('sub_2', NULL, NULL, NULL, 2)"
            .to_owned(),
        "INSERT INTO stripe_event (event_id, event_type, status, stripe_subscription_id, facts, outcome, \
         occurred_at_us, received_at_us, processed_at_us) \
         VALUES ('evt_1', 'customer.subscription.deleted', 'waiting', 'sub_2', \
         '{\"fact\":\"deleted\",\"subscription\":\"sub_2\"}', 'waiting', 1, 2, NULL), \
         ('evt_2', 'charge.succeeded', 'ignored', NULL, '{\"fact\":\"nothing\"}', 'ignored', 1, 2, 2)"
            .to_owned(),
        format!(
            "INSERT INTO totp (user_id, sealed_secret, last_step, created_at_us, confirmed_at_us) \
             VALUES (14, {sealed}, 5, 1, 2)"
        ),
        format!("INSERT INTO totp_recovery_code (user_id, code_hash, used_at_us) VALUES (14, {hash}, 3)"),
        "UPDATE test_clock SET ahead_us = 5000000".to_owned(),
    ] {
        site.sql(&statement).unwrap();
    }
}
