//! The worker: what falls due is carried out, once, in time, whatever happens to processes and databases.

mod years;

use super::inside::Inside;
use super::site::{Member, Server, Site, on_both, staff};
use super::test_clock::{DAY, ON, advance};
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::time::{Clock, SystemClock, Timestamp};
use igny8_core::domain::ledger::TransactionType;
use igny8_core::domain::purse::{BucketKind, Reason};
use igny8_core::domain::subscription::PaymentMethod;
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use sqlx::Row;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A served site whose time staff put forward.
pub struct Timed {
    pub site: Site,
    server: Server,
    staff: String,
}

impl Timed {
    pub fn on(site: Site) -> Self {
        let server = site.serve_with(&[ON]);
        let staff = staff(&site, &server);
        Self { site, server, staff }
    }

    pub fn sign_up(&self) -> (Member, AccountId) {
        let member = self.server.sign_up();
        let id = member.data["account"]["id"].as_i64().unwrap();
        (member, AccountId(id))
    }

    pub fn pass(&self, days: i64) -> Timestamp {
        advance(&self.server, &self.staff, days * DAY)
    }

    /// Stories told in this process, at the service's time.
    pub fn inside(&self) -> Inside {
        let clock = self.server.get("/api/v1/staff/clock/").bearer(&self.staff).send();
        Inside::of(&self.site, super::test_clock::instant(&clock.json()["data"]["now"]))
    }

    /// Status and reason of an account, and the status of its latest subscription.
    fn standing(&self, id: AccountId) -> [String; 3] {
        standing(&self.site, id)
    }

    pub fn end(self) {
        drop(self.server);
        self.site.is_healthy();
    }
}

fn standing(site: &Site, id: AccountId) -> [String; 3] {
    let rows = site.rows(
        &format!(
            "SELECT account.status, COALESCE(account.suspend_reason, ''), subscription.status FROM account \
             JOIN subscription ON subscription.account_id = account.id WHERE account.id = {id} \
             ORDER BY subscription.number DESC LIMIT 1"
        ),
        |row| [0, 1, 2].map(|index| row.get::<String, _>(index)),
    );
    rows[0].clone()
}

pub fn reason(transaction_type: TransactionType) -> Reason {
    Reason::plain(transaction_type, "x")
}

#[test]
fn an_ended_trial_is_suspended_when_it_ends_and_not_before() {
    on_both(|site| {
        let timed = Timed::on(site);
        let (member, id) = timed.sign_up();
        timed.pass(13);
        assert_eq!(timed.standing(id), ["trial", "", "trialing"]);
        timed.pass(1);
        assert_eq!(timed.standing(id), ["suspended", "trial_ended", "expired"]);
        // Reading and billing go on.
        let answer = timed.server.get("/api/v1/account/").bearer(&member.access).send();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["data"]["suspend_reason"], "trial_ended");
        let ended = "SELECT COUNT(*) FROM audit WHERE action = 'subscription.trial_ended' AND actor_kind = 'system'";
        assert_eq!(timed.site.number(ended), 1);
        timed.end();
    });
}

#[test]
fn a_missed_renewal_is_past_due_then_overdue_and_a_payment_puts_it_right() {
    on_both(|site| {
        let timed = Timed::on(site);
        let (_, id) = timed.sign_up();
        timed.inside().pay(id, "starter", PaymentMethod::BankTransfer);
        assert_eq!(timed.standing(id), ["active", "", "active"]);
        timed.pass(30);
        assert_eq!(timed.standing(id), ["past_due", "", "past_due"]);
        timed.pass(6);
        assert_eq!(timed.standing(id), ["past_due", "", "past_due"]);
        timed.pass(1);
        assert_eq!(timed.standing(id), ["suspended", "payment_overdue", "past_due"]);
        timed.inside().pay(id, "starter", PaymentMethod::BankTransfer);
        assert_eq!(timed.standing(id), ["active", "", "active"]);
        timed.pass(23);
        assert_eq!(
            timed.standing(id),
            ["past_due", "", "past_due"],
            "the renewal was from the previous end"
        );
        timed.end();
    });
}

#[test]
fn what_its_owner_cancelled_ends_with_its_period() {
    on_both(|site| {
        let timed = Timed::on(site);
        let [(_, paid), (_, undone), (_, trial)] = [(); 3].map(|()| timed.sign_up());
        let inside = timed.inside();
        for id in [paid, undone] {
            inside.pay(id, "starter", PaymentMethod::BankTransfer);
        }
        for id in [paid, undone, trial] {
            inside.change(id, |book, _, _| book.cancel_at_period_end(true));
        }
        inside.change(undone, |book, _, _| book.cancel_at_period_end(false));
        drop(inside);
        timed.pass(14);
        assert_eq!(timed.standing(trial), ["cancelled", "", "cancelled"]);
        timed.pass(15);
        assert_eq!(timed.standing(paid), ["active", "", "active"]);
        timed.pass(1);
        assert_eq!(timed.standing(paid), ["cancelled", "", "cancelled"]);
        assert_eq!(timed.standing(undone), ["past_due", "", "past_due"]);
        timed.end();
    });
}

/// The amounts of an account's entries of one kind, oldest first.
fn amounts(site: &Site, id: AccountId, kind: &str) -> Vec<i64> {
    site.rows(
        &format!(
            "SELECT amount FROM ledger_entry WHERE account_id = {id} AND transaction_type = '{kind}' ORDER BY sequence"
        ),
        |row| row.get::<i64, _>(0),
    )
}

#[test]
fn a_plan_without_a_price_renews_by_itself() {
    on_both(|site| {
        let timed = Timed::on(site);
        let (_, id) = timed.sign_up();
        let inside = timed.inside();
        let free = inside.plan("free");
        inside.change(id, |book, _, now| book.assign(&free, now));
        drop(inside);
        timed.pass(95);
        assert_eq!(timed.standing(id), ["active", "", "active"]);
        let periods = format!(
            "SELECT MAX(sequence) FROM subscription_period JOIN subscription \
             ON subscription.id = subscription_period.subscription_id WHERE subscription.account_id = {id}"
        );
        assert_eq!(timed.site.number(&periods), 5, "the trial's, and one each thirty days");
        assert_eq!(amounts(&timed.site, id, "subscription"), [2000, 100, 100, 100, 100]);
        assert_eq!(amounts(&timed.site, id, "expiry"), [-2000, -100, -100, -100]);
        timed.end();
    });
}

#[test]
fn holds_and_buckets_end_when_their_time_comes() {
    on_both(|site| {
        let timed = Timed::on(site);
        let (_, id) = timed.sign_up();
        let inside = timed.inside();
        inside.change(id, |book, _, now| {
            let purse = &mut book.purse;
            purse.hold(Credits(700), now.plus_seconds(3600), "draft".into(), "{}".into(), now)?;
            purse.add(
                BucketKind::Bonus,
                Credits(50),
                Some(now.plus_days(2)),
                reason(TransactionType::Bonus),
            )
        });
        drop(inside);
        let held = format!("SELECT CAST(SUM(held) AS BIGINT) FROM credit_bucket WHERE account_id = {id}");
        let credits = format!("SELECT credits FROM account WHERE id = {id}");
        advance(&timed.server, &timed.staff, 3599);
        assert_eq!(timed.site.number(&held), 700);
        advance(&timed.server, &timed.staff, 1);
        assert_eq!((timed.site.number(&held), timed.site.number(&credits)), (0, 2050));
        let expired = "SELECT COUNT(*) FROM credit_hold WHERE status = 'expired'";
        assert_eq!(timed.site.number(expired), 1);
        timed.pass(2);
        assert_eq!(timed.site.number(&credits), 2000);
        assert_eq!(amounts(&timed.site, id, "expiry"), [-50]);
        timed.end();
    });
}

/// Accounts whose trial ended yesterday, by the machine's clock.
fn overdue(site: &Site, count: usize) -> Vec<AccountId> {
    let inside = Inside::of(site, SystemClock::new().now().plus_days(-15));
    (0..count).map(|_| inside.sign_up()).collect()
}

fn nothing_is_due(site: &Site) -> Option<()> {
    let now = SystemClock::new().now();
    let due = site.number(&format!("SELECT COUNT(*) FROM account WHERE due_us <= {}", now.0));
    (due == 0).then_some(())
}

#[test]
fn what_fell_due_while_no_core_ran_is_carried_out_when_one_does() {
    on_both(|site| {
        let ids = overdue(&site, 5);
        let server = site.serve();
        wait_until("the worker", PATIENCE, || nothing_is_due(&site));
        for id in ids {
            assert_eq!(standing(&site, id), ["suspended", "trial_ended", "expired"]);
        }
        wait_until("the metrics to tell", PATIENCE, || {
            let told = server.metric("igny8_core_worker_ticks_total{outcome=\"done\"}") == Some(5.0);
            (told && server.metric("igny8_core_worker_lag_seconds") == Some(0.0)).then_some(())
        });
        assert!(server.metric("igny8_core_worker_round_seconds_count").unwrap() >= 1.0);
        drop(server);
        site.is_healthy();
    });
}

#[test]
fn a_process_that_is_told_not_to_work_leaves_it_to_others() {
    on_both(|site| {
        let ids = overdue(&site, 2);
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__ENABLED", "false")]);
        assert_eq!(server.get("/api/v1/plans/").send().status, 200);
        assert_eq!(server.metric("igny8_core_worker_lag_seconds"), None);
        assert_eq!(standing(&site, ids[0]), ["trial", "", "trialing"]);
        drop(server);
        site.is_healthy();
    });
}

#[test]
fn two_workers_on_postgresql_do_each_thing_once() {
    const ACCOUNTS: usize = 60;
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let ids = overdue(&site, ACCOUNTS);
    let begun = SystemClock::new().now().plus_days(-15);
    let inside = Inside::of(&site, begun);
    let free = inside.plan("free");
    for id in &ids[..20] {
        inside.change(*id, |book, _, now| {
            book.purse
                .hold(Credits(9), now.plus_seconds(60), "x".into(), "{}".into(), now)
                .map(drop)
        });
    }
    let inside = Inside::of(&site, begun.plus_days(-30));
    let renewing: Vec<AccountId> = (0..10)
        .map(|_| {
            let id = inside.sign_up();
            inside.change(id, |book, _, now| book.assign(&free, now));
            id
        })
        .collect();
    drop(inside);
    let other = Site::at("postgres", site.url.clone());
    let servers = std::thread::scope(|scope| {
        let one = scope.spawn(|| site.serve());
        let two = scope.spawn(|| other.serve());
        [one.join().unwrap(), two.join().unwrap()]
    });
    wait_until("the workers", PATIENCE, || nothing_is_due(&site));
    let ended = "SELECT COUNT(*) FROM audit WHERE action = 'subscription.trial_ended'";
    assert_eq!(site.number(ended), 60);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM credit_hold WHERE status = 'expired'"),
        20
    );
    for id in renewing {
        assert_eq!(amounts(&site, id, "subscription"), [2000, 100, 100]);
    }
    let done = |server: &Server| {
        let metric = server.metric("igny8_core_worker_ticks_total{outcome=\"done\"}");
        metric.unwrap_or_default()
    };
    wait_until("each tick to be counted once", PATIENCE, || {
        ((done(&servers[0]) + done(&servers[1]) - 70.0).abs() < 0.5).then_some(())
    });
    drop(servers);
    site.is_healthy();
}

#[test]
fn an_account_that_cannot_be_brought_up_to_the_present_does_not_hold_up_the_others() {
    on_both(|site| {
        let ids = overdue(&site, 3);
        // A bucket that is to expire with more in it than the account has: its book breaks the rules.
        let broken = ids[0];
        site.sql(&format!(
            "UPDATE credit_bucket SET remaining = 9000, expires_at_us = 1 WHERE account_id = {broken}"
        ))
        .unwrap();
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__INTERVAL_MS", "20")]);
        wait_until("the others", PATIENCE, || {
            let over = |id: &AccountId| standing(&site, *id)[0] == "suspended";
            ids[1..].iter().all(over).then_some(())
        });
        wait_until("the metrics to tell", PATIENCE, || {
            let paused = server.metric("igny8_core_worker_paused_accounts") == Some(1.0);
            let lag = server.metric("igny8_core_worker_lag_seconds")?;
            (paused && lag > 80_000.0).then_some(())
        });
        assert_eq!(standing(&site, broken), ["trial", "", "trialing"]);
        // Rounds go on fifty times a second; this account is tried seldom.
        wait_until("many rounds", PATIENCE, || {
            (server.metric("igny8_core_worker_rounds_total{outcome=\"done\"}")? > 100.0).then_some(())
        });
        let failed = server
            .metric("igny8_core_worker_ticks_total{outcome=\"failed\"}")
            .unwrap();
        assert!((1.0..=5.0).contains(&failed), "{failed}");
        assert!(server.child.log().contains("could not be brought up to the present"));
        site.sql(&format!(
            "UPDATE credit_bucket SET remaining = 2000, expires_at_us = NULL WHERE account_id = {broken}"
        ))
        .unwrap();
        wait_until("the mended account", PATIENCE, || nothing_is_due(&site));
        wait_until("the lag to be gone", PATIENCE, || {
            (server.metric("igny8_core_worker_lag_seconds") == Some(0.0)).then_some(())
        });
        drop(server);
        site.is_healthy();
    });
}

#[test]
fn the_worker_outlives_an_outage_of_its_database() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let (host, name) = site.url.rsplit_once('/').unwrap();
    let beside = Site::at("postgres", format!("{host}/postgres"));
    let server = site.serve_with(&[("IGNY8_CORE__WORKER__INTERVAL_MS", "50")]);
    let ids = overdue(&site, 2);
    wait_until("the worker", PATIENCE, || nothing_is_due(&site));
    let due = format!("UPDATE account SET due_us = 1 WHERE id = {}", ids[0]);
    for statement in [
        format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ] {
        beside.sql(&statement).unwrap();
    }
    wait_until("rounds to fail", PATIENCE, || {
        (server.metric("igny8_core_worker_rounds_total{outcome=\"failed\"}")? >= 1.0).then_some(())
    });
    beside
        .sql(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true"))
        .unwrap();
    site.sql(&due).unwrap();
    wait_until("the worker to go on", PATIENCE, || nothing_is_due(&site));
    wait_until("the log to tell", PATIENCE, || {
        let log = server.child.log();
        (log.contains("a round of the worker failed") && log.contains("goes its rounds again")).then_some(())
    });
    drop(server);
    site.is_healthy();
}

#[test]
fn asked_to_stop_in_the_middle_of_much_work_the_core_leaves_at_once_and_nothing_is_half_done() {
    on_both(|site| {
        overdue(&site, 40);
        let mut server = site.serve();
        server.child.signal("TERM");
        let ended = wait_until("the core to end", Duration::from_secs(20), || server.child.ended());
        assert!(ended.success(), "{ended}");
        drop(server);
        site.is_healthy();
        let server = site.serve();
        wait_until("the rest", PATIENCE, || nothing_is_due(&site));
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'subscription.trial_ended'"),
            40
        );
        drop(server);
        site.is_healthy();
    });
}

#[test]
fn facts_for_proxies_follow_what_the_worker_did() {
    on_both(|site| {
        let timed = Timed::on(site);
        let (member, id) = timed.sign_up();
        timed.pass(14);
        let sid = &timed
            .site
            .rows("SELECT sid FROM sign_in ORDER BY id DESC LIMIT 1", |row| {
                row.get::<String, _>(0)
            })[0];
        let user = member.data["user"]["id"].as_i64().unwrap();
        let query: Value = json!({"account_id": id, "user_id": user, "sid": sid});
        let facts = timed.server.ask("/internal/v1/standing", &query).json();
        assert_eq!(
            (&facts["account"]["status"], &facts["account"]["reason"]),
            (&json!("suspended"), &json!("trial_ended")),
            "{facts}"
        );
        timed.end();
    });
}
