//! A disk that takes no more, and a database that goes away in the middle of a story: a clear 503, nothing half done, and
//! everything goes on by itself once it is back.

use super::site::{Server, Site};
use igny8_testkit::postgres::Postgres;
use igny8_testkit::process::run;
use igny8_testkit::raw::Response;
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

fn consume(server: &Server, token: &str, key: &str, amount: i64) -> Result<Response, igny8_testkit::raw::ReadError> {
    server
        .post("/api/v1/credits/consume/")
        .bearer(token)
        .field("Idempotency-Key", key)
        .json(&json!({"amount": amount, "description": "x".repeat(400)}))
        .try_send()
}

/// The largest file that the process may write, from now on.
fn limit_files(server: &Server, bytes: &str) {
    let id = server.child.id().to_string();
    run(Command::new("prlimit").args(["--pid", &id, &format!("--fsize={bytes}:unlimited")]));
}

#[test]
fn a_disk_that_takes_no_more_is_a_503_and_nothing_is_half_done() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    // Over the limit a write fails as on a full disk, instead of ending the process by a signal.
    let server = site.serve_through(&["env", "--ignore-signal=XFSZ"], &[]);
    let member = server.sign_up();
    let spent = || site.number("SELECT CAST(-SUM(amount) AS BIGINT) FROM ledger_entry WHERE amount < 0");

    let size = std::fs::metadata(site.folder.path().join("db/core.sqlite3-wal"))
        .unwrap()
        .len();
    limit_files(&server, &(size + 64 * 1024).to_string());
    let mut taken = 0;
    let refused = loop {
        let answer = consume(&server, &member.access, &format!("key-{taken}"), 1).unwrap();
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 1900, "the disk took everything");
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "storage_unavailable"));
    assert!(taken > 0);
    for _ in 0..5 {
        assert_eq!(
            consume(&server, &member.access, &format!("key-{taken}"), 1)
                .unwrap()
                .status,
            503
        );
    }
    assert_eq!(
        server.get("/api/v1/credits/").bearer(&member.access).send().status,
        200,
        "reading goes on"
    );

    limit_files(&server, "unlimited");
    assert_eq!(spent(), taken, "what was answered is there, what was refused is not");
    assert_eq!(
        consume(&server, &member.access, &format!("key-{taken}"), 1)
            .unwrap()
            .status,
        200
    );
    assert_eq!(spent(), taken + 1);
    site.is_healthy();
}

#[test]
fn a_database_that_is_killed_under_load_loses_nothing_that_was_answered_and_comes_back() {
    let mut postgres = Postgres::start();
    let site = Site::at("postgres", postgres.create_database("shot"));
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    let member = server.sign_up();
    let (over, next, answered) = (AtomicBool::new(false), AtomicI64::new(0), AtomicI64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let key = format!("key-{}", next.fetch_add(1, Ordering::Relaxed));
                    // The same request until it is answered: through the outage, each exactly once.
                    wait_until("the debit to be answered", Duration::from_secs(60), || {
                        let answer = consume(&server, &member.access, &key, 1).unwrap();
                        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
                        (answer.status == 200).then_some(())
                    });
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let reached = |count: i64| {
            wait_until("debits to be answered", Duration::from_secs(60), || {
                (answered.load(Ordering::Relaxed) >= count).then_some(())
            });
        };
        reached(40);
        postgres.kill();
        let refused = consume(&server, &member.access, "while it is away", 1).unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (503, "storage_unavailable"));
        postgres.start_again();
        let before = answered.load(Ordering::Relaxed);
        reached(before + 40);
        over.store(true, Ordering::Relaxed);
    });
    let spent = site.number("SELECT CAST(-SUM(amount) AS BIGINT) FROM ledger_entry WHERE amount < 0");
    assert_eq!(spent, answered.load(Ordering::Relaxed));
    site.is_healthy();
}
