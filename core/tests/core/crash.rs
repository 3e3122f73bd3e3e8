//! kill -9 at any moment of many sign-ups: who was answered is there once, who was not is there whole or not at all.

use super::site::{PASSWORD, Site, new_email, on_both};
use igny8_testkit::http::post;
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CLIENTS: usize = 8;
const SIGN_UPS: usize = 100;

/// How many kills there are for each engine.
fn rounds() -> usize {
    if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        40
    } else {
        4
    }
}

/// A number below `bound` that nobody chose.
fn any_below(bound: u64) -> u64 {
    RandomState::new().hash_one("any") % bound
}

/// Signs people up until the core is killed, at a moment that nobody chose; gives back who asked and who was answered.
fn sign_up_until_killed(site: &Site) -> (Vec<String>, Vec<String>) {
    let mut server = site.serve();
    let (asked, answered, over) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()), AtomicBool::new(false));
    let enough = usize::try_from(any_below(SIGN_UPS as u64 * 9 / 10)).unwrap();
    let address = server.public.clone();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) && asked.lock().unwrap().len() < SIGN_UPS {
                    let email = new_email();
                    asked.lock().unwrap().push(email.clone());
                    let body = json!({"email": email, "password": PASSWORD});
                    match post(&address, "/api/v1/auth/register/").json(&body).try_send() {
                        Ok(answer) if answer.status == 201 => answered.lock().unwrap().push(email),
                        Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
                        Err(_) => break,
                    }
                }
            });
        }
        wait_until("some sign-ups to be answered", Duration::from_secs(60), || {
            (answered.lock().unwrap().len() >= enough).then_some(())
        });
        // Not to wait for anything: to hit another step of the sign-ups under way each time.
        std::thread::sleep(Duration::from_micros(any_below(4_000)));
        server.child.kill();
        over.store(true, Ordering::Relaxed);
    });
    (asked.into_inner().unwrap(), answered.into_inner().unwrap())
}

#[test]
fn a_killed_core_loses_and_doubles_no_sign_up() {
    on_both(|site| {
        let (mut asked, mut answered) = (HashSet::new(), HashSet::new());
        for _ in 0..rounds() {
            let (more_asked, more_answered) = sign_up_until_killed(&site);
            asked.extend(more_asked);
            answered.extend(more_answered);
        }
        let server = site.serve();
        let there = site.rows("SELECT email FROM users", |row| sqlx::Row::get::<String, _>(row, 0));
        let unique: HashSet<String> = there.iter().cloned().collect();
        assert_eq!(unique.len(), there.len(), "nobody is there twice");
        assert_eq!(
            answered.difference(&unique).count(),
            0,
            "everybody who was answered is there"
        );
        assert_eq!(unique.difference(&asked).count(), 0);
        let people = i64::try_from(there.len()).unwrap();
        for table in [
            "account",
            "ledger_entry",
            "subscription",
            "subscription_period",
            "sign_in",
            "audit",
            "outbox",
        ] {
            let also = if table == "audit" {
                " WHERE action = 'account.registered'"
            } else {
                ""
            };
            assert_eq!(
                site.number(&format!("SELECT COUNT(*) FROM {table}{also}")),
                people,
                "{table} on {}",
                site.engine
            );
        }
        site.is_healthy();
        for email in answered.iter().take(3) {
            assert_eq!(server.login(email, PASSWORD).status, 200);
        }
    });
}
