//! What was taken away is refused at every proxy within a second: while core answers, right after a proxy was restarted, and
//! as soon as core answers again. A database that was put back is noticed by all of them.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::http::{get, post};
use igny8_testkit::postgres::Postgres;
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, Member, Stack};
use igny8_testkit::wait::{Deadline, wait_until};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How soon it is to be felt.
const FELT: Duration = Duration::from_secs(1);
/// How long a test waits for what is to come within [`FELT`].
const PATIENCE: Duration = Duration::from_secs(20);

fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

/// An app that answers whatever reaches it: core is not asked again behind the proxy.
fn app() -> App {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _head = lines.take_while(|line| !line.is_empty()).count();
            let _the_proxy_may_be_gone =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    App::At(address)
}

/// A core on PostgreSQL with three proxies before it.
struct Site {
    stack: Stack,
    database: String,
    staff: Member,
}

impl Site {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let database = format!("revocation_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let url = postgres().create_database(&database);
        let stack = Stack::builder().app(app()).database(&url).proxies(3).start();
        let staff = stack.staff(false);
        Self { stack, database, staff }
    }

    fn ask(&self, proxy: usize, member: &Member) -> Response {
        get(&self.stack.proxies[proxy].public, "/api/v1/whoami/")
            .bearer(&member.access)
            .send()
    }

    /// Somebody who has been served by every proxy.
    fn member(&self) -> Member {
        let member = self.stack.sign_up();
        for proxy in 0..self.stack.proxies.len() {
            let answer = self.ask(proxy, &member);
            assert_eq!(answer.status, 200, "a token works at once: {}", answer.text());
        }
        member
    }

    fn sql(&self, sql: &str) {
        postgres().run_sql(&self.database, sql);
    }

    fn take_away(&self, how: How, member: &Member) {
        let (account, user) = (member.account_id, member.user_id);
        match how {
            How::Suspension => {
                let answer = post(&self.stack.core, &format!("/api/v1/staff/accounts/{account}/suspend/"))
                    .bearer(&self.staff.access)
                    .field("Idempotency-Key", &format!("suspend-{account}"))
                    .json(&json!({"reason": "staff"}))
                    .send();
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
            How::SignOut => {
                let answer = post(&self.stack.core, "/api/v1/auth/logout/")
                    .bearer(&member.access)
                    .send();
                assert_eq!(answer.status, 204, "{}", answer.text());
            }
            How::UserEpoch => self.sql(&format!("UPDATE users SET epoch = epoch + 1 WHERE id = {user}")),
            How::AccountEpoch => self.sql(&format!("UPDATE account SET epoch = epoch + 1 WHERE id = {account}")),
        }
    }

    /// How long after the beginning or the end of `act` each proxy refuses the member.
    fn felt(&self, how: How, member: &Member, from: From, act: impl FnOnce()) -> Vec<Duration> {
        let begun = Deadline::after(PATIENCE);
        let refused = |proxy: usize| {
            move || {
                wait_until("a refusal", PATIENCE, || {
                    let answer = self.ask(proxy, member);
                    (answer.status != 200).then(|| {
                        assert_eq!(
                            (answer.status, answer.code().as_str()),
                            how.refusal(),
                            "{}",
                            answer.text()
                        );
                        begun.elapsed()
                    })
                })
            }
        };
        std::thread::scope(|scope| {
            let proxies = 0..self.stack.proxies.len();
            let waiting: Vec<_> = proxies.map(|proxy| scope.spawn(refused(proxy))).collect();
            let before = begun.elapsed();
            act();
            let from = match from {
                From::Beginning => before,
                From::End => begun.elapsed(),
            };
            let felt = waiting.into_iter().map(|waiting| waiting.join().unwrap());
            felt.map(|at| at.saturating_sub(from)).collect()
        })
    }
}

/// From which end of an act it is measured how soon it is felt.
#[derive(Clone, Copy, Debug)]
enum From {
    Beginning,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Suspension,
    SignOut,
    UserEpoch,
    AccountEpoch,
}

impl How {
    const ALL: [Self; 4] = [Self::Suspension, Self::SignOut, Self::UserEpoch, Self::AccountEpoch];

    const fn refusal(self) -> (u16, &'static str) {
        match self {
            Self::Suspension => (403, "account_suspended"),
            Self::SignOut | Self::UserEpoch | Self::AccountEpoch => (401, "token_revoked"),
        }
    }

    /// What is done by a call is measured from its beginning; what another program does, from its end.
    const fn from(self) -> From {
        match self {
            Self::Suspension | Self::SignOut => From::Beginning,
            Self::UserEpoch | Self::AccountEpoch => From::End,
        }
    }
}

/// Prints how long it took, and holds 99 of 100 to the promise.
#[track_caller]
fn assert_felt(what: &str, mut felt: Vec<Duration>) {
    felt.sort_unstable();
    let at = |percent: usize| felt[(felt.len() * percent).div_ceil(100) - 1];
    println!(
        "{what}: {} times, median {:?}, p99 {:?}, longest {:?}",
        felt.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(99) < FELT, "{what}: {felt:?}");
}

fn trials() -> usize {
    if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        200
    } else {
        40
    }
}

#[test]
fn what_was_taken_away_is_refused_at_every_proxy_within_a_second() {
    let site = Site::start();
    let mut felt = Vec::new();
    for trial in 0..trials() {
        let how = How::ALL[trial % How::ALL.len()];
        let member = site.member();
        felt.extend(site.felt(how, &member, how.from(), || site.take_away(how, &member)));
    }
    assert_felt("refused at three proxies", felt);
    let metrics = site.stack.metrics();
    for name in [
        "igny8_revocation_lag_seconds",
        "igny8_directory_age_seconds",
        "igny8_directory_entries{kind=\"account\"}",
        "igny8_feed_answers_total{outcome=\"changes\"}",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
}

#[test]
fn a_proxy_that_has_just_been_started_knows_what_was_taken_away() {
    let site = Site::start();
    for how in How::ALL {
        let (gone, here) = (site.member(), site.member());
        site.take_away(how, &gone);
        site.stack.start_proxy_of(1);
        let answer = site.ask(1, &gone);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            how.refusal(),
            "{how:?}: {}",
            answer.text()
        );
        assert_eq!(site.ask(1, &here).status, 200);
    }
}

#[test]
fn what_was_taken_away_while_core_was_down_is_refused_within_a_second_of_its_return() {
    let site = Site::start();
    let mut felt = Vec::new();
    for how in [How::UserEpoch, How::AccountEpoch, How::UserEpoch] {
        let member = site.member();
        site.stack.kill_core();
        site.take_away(how, &member);
        for proxy in 0..3 {
            assert_eq!(site.ask(proxy, &member).status, 200, "what is known serves on");
        }
        felt.extend(site.felt(how, &member, From::End, || site.stack.start_core()));
    }
    // Core may be killed right after a commit, before anybody was told of it.
    let member = site.member();
    site.take_away(How::SignOut, &member);
    site.stack.kill_core();
    felt.extend(site.felt(How::SignOut, &member, From::End, || site.stack.start_core()));
    assert_felt("refused after core was down", felt);
}

#[test]
fn a_proxy_that_has_never_known_anybody_is_not_ready_and_refuses() {
    let site = Site::start();
    let member = site.member();
    site.stack.kill_core();
    site.stack.start_proxy_unready(2);
    let ready = || get(&site.stack.proxies[2].ops, "/readyz").send().status;
    assert_eq!(ready(), 503);
    let answer = site.ask(2, &member);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "core_unavailable"),
        "{}",
        answer.text()
    );
    assert_eq!(site.ask(1, &member).status, 200, "others go on");
    site.stack.start_core();
    wait_until("the proxy to be ready", PATIENCE, || (ready() == 200).then_some(()));
    assert_eq!(site.ask(2, &member).status, 200);
}

#[test]
fn a_database_that_was_put_back_makes_every_proxy_take_a_new_snapshot() {
    let site = Site::start();
    let (old, backup) = (site.member(), format!("{}_backup", site.database));
    let copy = |from: &str, to: &str| {
        site.stack.kill_core();
        let busy = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{from}'");
        wait_until("nobody to be connected", PATIENCE, || {
            (postgres().run_sql("postgres", &busy).trim() == "0").then_some(())
        });
        postgres().run_sql("postgres", &format!("CREATE DATABASE \"{to}\" TEMPLATE \"{from}\""));
    };
    copy(&site.database, &backup);
    site.stack.start_core();
    let young = site.member();
    site.stack.kill_core();
    postgres().run_sql("postgres", &format!("DROP DATABASE \"{}\" WITH (FORCE)", site.database));
    copy(&backup, &site.database);
    site.stack.start_core();
    for (number, doorway) in site.stack.proxies.iter().enumerate() {
        wait_until("a new snapshot", PATIENCE, || {
            let metrics = get(&doorway.ops, "/metrics").send().text();
            metrics.contains("igny8_directory_snapshots_total 2").then_some(())
        });
        let answer = site.ask(number, &young);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "account_missing"),
            "{}",
            answer.text()
        );
        assert_eq!(site.ask(number, &old).status, 200);
    }
    // Whoever comes now is given the identifiers that the lost ones had.
    let next = site.member();
    assert_eq!(next.account_id, young.account_id);
    for proxy in 0..3 {
        let answer = site.ask(proxy, &young);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "token_revoked"),
            "{}",
            answer.text()
        );
    }
}
