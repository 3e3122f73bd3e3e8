//! Many requests at once: each takes effect once, and no credit is used twice.

use super::{Asker, CONSUME, HOLDS, assert_refused};
use crate::site::on_both;
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs `work` for each of 0 to `count` at once.
pub fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || work(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn twenty_equal_requests_at_once_have_one_effect_and_one_answer() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let body = json!({"amount": 100, "description": "words"});
        for path in [CONSUME, HOLDS] {
            let answers = at_once(20, |_| asker.keyed(path, "the-one", &body));
            let first = answers[0].json();
            for answer in &answers {
                assert!(answer.status < 300, "{}", answer.text());
                assert_eq!(answer.json(), first);
            }
            let new = answers
                .iter()
                .filter(|answer| answer.field("idempotency-replayed").is_none());
            assert_eq!(new.count(), 1, "{path}");
        }
        // One key with many bodies: one of them is carried out.
        let answers = at_once(20, |index| {
            asker.keyed(
                CONSUME,
                "many",
                &json!({"amount": 1, "description": format!("words {index}")}),
            )
        });
        let reused = answers
            .iter()
            .filter(|answer| answer.code() == "idempotency_key_reused")
            .count();
        assert_eq!(
            (answers.iter().filter(|answer| answer.status == 200).count(), reused),
            (1, 19)
        );
        assert_eq!(asker.credits(), [1899, 100, 1799]);
        site.is_healthy();
    });
}

#[test]
fn of_many_debits_at_once_exactly_as_many_succeed_as_there_are_credits_for() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        assert_eq!(asker.consume(1000).status, 200);
        // ⌊1000 / 37⌋ = 27
        let answers = at_once(64, |_| asker.consume(37));
        let taken = answers.iter().filter(|answer| answer.status == 200).count();
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_refused(answer, 402, "insufficient_credits");
        }
        assert_eq!((taken, asker.credits()), (27, [1, 0, 1]));
        let mut left: Vec<_> = answers
            .iter()
            .filter_map(|answer| answer.json()["data"]["balance_after"].as_i64())
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            (0..27).map(|index| 1 + 37 * index).collect::<Vec<i64>>(),
            "every one saw its own balance"
        );
        site.is_healthy();
    });
}

#[test]
fn debits_and_holds_at_once_never_use_a_credit_twice() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let drawn = AtomicU32::new(0);
        at_once(48, |index| {
            if index % 3 > 0 {
                let answer = asker.consume(50);
                assert!(matches!(answer.status, 200 | 402), "{}", answer.text());
                drawn.fetch_add(if answer.status == 200 { 50 } else { 0 }, Ordering::Relaxed);
                return;
            }
            let answer = asker.post(HOLDS, &json!({"amount": 60, "description": "x"}));
            assert!(matches!(answer.status, 201 | 402), "{}", answer.text());
            if answer.status == 201 {
                let ended = match index % 2 {
                    0 => asker.end(&answer.json()["data"], "release", &json!({})),
                    _ => asker.end(&answer.json()["data"], "confirm", &json!({"amount": 35})),
                };
                assert_eq!(ended.status, 200, "{}", ended.text());
                drawn.fetch_add(if index % 2 == 1 { 35 } else { 0 }, Ordering::Relaxed);
            }
        });
        let balance = 2000 - i64::from(drawn.into_inner());
        assert_eq!(asker.credits(), [balance, 0, balance]);
        let in_buckets = site.number("SELECT CAST(SUM(remaining) AS BIGINT) FROM credit_bucket");
        let in_ledger = site.number("SELECT CAST(SUM(amount) AS BIGINT) FROM ledger_entry");
        assert_eq!((in_buckets, in_ledger), (balance, balance));
        site.is_healthy();
    });
}
