//! The committer itself: what one request does to the others that share its transaction, and how it ends.

use super::inside::{refusals, run};
use super::site::{Site, on_both};
use igny8_contract::credits::Credits;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, SystemClock};
use igny8_core::app::change::{Answer, Ask};
use igny8_core::app::debits::{Command, Debit, Spend};
use igny8_core::app::{Committer, StoryError};
use igny8_core::config::Config;
use igny8_core::http::credit_shapes::{show_entry, show_hold};
use igny8_core::storage::Store;
use igny8_core::storage::idempotency::RequestKey;
use igny8_core::storage::trail::Actor;
use igny8_testkit::http::get;
use igny8_testkit::wait::wait_until;
use serde_json::json;
use sqlx::{AnyConnection, Connection};
use std::sync::Arc;
use std::time::Duration;

/// A committer in this process, on the site's database.
fn committer(site: &Site) -> (Committer, Store) {
    let config = Config::read(
        "test",
        &format!("[database]\nurl = \"{}\"\n", site.url),
        std::iter::empty(),
    )
    .unwrap();
    let store = Store::open(&config.database).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    (
        Committer::spawn(store.clone(), Arc::clone(&clock), clock, config.billing),
        store,
    )
}

fn command(account: i64, debit: Debit) -> Command {
    Command {
        ask: Ask {
            account_id: AccountId(account),
            actor: Actor::User(UserId(account)),
            request_id: "test".into(),
            key: None,
        },
        debit,
    }
}

fn spend(amount: i64) -> Spend {
    Spend {
        amount: Credits(amount),
        description: "words".into(),
        metadata: "{}".into(),
    }
}

fn consume(account: i64, amount: i64) -> Command {
    let debit = Debit::Consume {
        spend: spend(amount),
        show: show_entry,
    };
    command(account, debit)
}

fn hold(account: i64, amount: i64) -> Command {
    let debit = Debit::Hold {
        spend: spend(amount),
        seconds: 60,
        show: show_hold,
    };
    command(account, debit)
}

/// Sends commands in this order and waits for all answers. On a runtime of one thread the committer finds them all in line
/// at once, and carries them out in one batch.
async fn together(committer: &Committer, commands: Vec<Command>) -> Vec<Result<Answer, StoryError>> {
    let mut answers = Vec::new();
    for command in commands {
        let committer = committer.clone();
        answers.push(tokio::spawn(async move { committer.carry_out(command).await }));
    }
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    told
}

/// Signs up as many people as accounts are needed, and stops the core: an SQLite file belongs to one process.
fn with_accounts(site: &Site, count: usize) {
    let server = site.serve();
    (0..count).for_each(|_| drop(server.sign_up()));
}

#[test]
fn one_transaction_carries_the_debits_of_many_accounts_and_a_refused_one_touches_no_other() {
    on_both(|site| {
        with_accounts(&site, 3);
        run(async {
            let (committer, store) = committer(&site);
            let answers = together(
                &committer,
                vec![
                    consume(1, 1500),
                    consume(2, 2001),
                    consume(1, 600),
                    hold(3, 2000),
                    consume(3, 1),
                    consume(1, 500),
                    consume(9, 1),
                    command(
                        3,
                        Debit::Release {
                            hold: 1,
                            show: show_hold,
                        },
                    ),
                    consume(3, 2),
                ],
            )
            .await;
            let short = Some(Refusal::InsufficientCredits);
            let expected = [
                None,
                short,
                short,
                None,
                short,
                None,
                Some(Refusal::AccountMissing),
                None,
                None,
            ];
            assert_eq!(refusals(&answers), expected);
            let balances: Vec<_> = answers
                .iter()
                .flatten()
                .map(|answer| answer.data["balance_after"].clone())
                .collect();
            assert_eq!(balances, [json!(500), json!(null), json!(0), json!(null), json!(1998)]);
            assert_eq!(
                answers[7].as_ref().unwrap().data["status"],
                "released",
                "made and ended in one batch"
            );
            store.close().await;
        });
        let instants = "SELECT COUNT(DISTINCT created_at_us) FROM ledger_entry WHERE transaction_type = 'consumption'";
        assert_eq!(site.number(instants), 1, "one batch has one instant");
        site.is_healthy();
    });
}

#[test]
fn equal_keys_in_one_transaction_are_one_request() {
    on_both(|site| {
        with_accounts(&site, 1);
        run(async {
            let (committer, store) = committer(&site);
            let keyed = |amount: i64, body: u8| {
                let mut command = consume(1, amount);
                command.ask.key = Some(RequestKey {
                    scope: [7; 32],
                    body_digest: [body; 32],
                });
                command
            };
            // The first is refused, so that nothing is kept of it: the second is the one that counts.
            let commands = vec![keyed(9999, 9), keyed(10, 1), keyed(10, 1), keyed(20, 2), keyed(10, 1)];
            let answers = together(&committer, commands).await;
            let (short, reused) = (Some(Refusal::InsufficientCredits), Some(Refusal::IdempotencyKeyReused));
            assert_eq!(refusals(&answers), [short, None, None, reused, None]);
            let told: Vec<_> = answers.iter().flatten().collect();
            assert_eq!(
                [told[0].replayed, told[1].replayed, told[2].replayed],
                [false, true, true]
            );
            assert!(told.iter().all(|answer| answer.data == told[0].data));
            store.close().await;
        });
        assert_eq!(site.number("SELECT credits FROM account"), 1990);
        assert_eq!(site.number("SELECT COUNT(*) FROM idempotency_key"), 1);
        site.is_healthy();
    });
}

#[test]
fn what_the_database_refuses_takes_no_other_along() {
    on_both(|site| {
        with_accounts(&site, 2);
        run(async {
            let (committer, store) = committer(&site);
            assert_eq!(refusals(&together(&committer, vec![hold(1, 1)]).await), [None]);
            store.close().await;
        });
        // The account forgets that it has made a hold: the next one gets a number that is taken.
        site.sql("UPDATE account SET hold_count = 0 WHERE id = 1").unwrap();
        run(async {
            let (committer, store) = committer(&site);
            let commands = vec![consume(1, 1), consume(2, 1), hold(1, 1), hold(2, 1), consume(1, 1)];
            let answers = together(&committer, commands).await;
            assert_eq!(refusals(&answers), [None, None, Some(Refusal::Internal), None, None]);
            store.close().await;
        });
        assert_eq!(site.number("SELECT credits FROM account WHERE id = 1"), 1998);
        assert_eq!(site.number("SELECT credits FROM account WHERE id = 2"), 1999);
        assert_eq!(site.number("SELECT COUNT(*) FROM credit_hold"), 2);
    });
}

#[test]
fn a_transaction_that_fails_is_told_to_everybody_in_it() {
    on_both(|site| {
        with_accounts(&site, 1);
        run(async {
            let (committer, store) = committer(&site);
            store.close().await;
            let answers = together(&committer, (0..5).map(|_| consume(1, 1)).collect()).await;
            assert_eq!(refusals(&answers), [Some(Refusal::StorageUnavailable); 5]);
        });
        assert_eq!(site.number("SELECT credits FROM account"), 2000);
        site.is_healthy();
    });
}

#[test]
fn an_account_that_is_always_due_is_a_fault_and_no_endless_round() {
    on_both(|site| {
        with_accounts(&site, 2);
        // Whatever a tick sets right is spoiled again.
        let trigger = if site.engine == "sqlite" {
            "CREATE TRIGGER always_due AFTER UPDATE OF due_us ON account WHEN NEW.id = 1 AND NEW.due_us <> 1 \
             BEGIN UPDATE account SET due_us = 1 WHERE id = NEW.id; END"
        } else {
            "CREATE FUNCTION always_due() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.due_us := 1; RETURN NEW; END $$; \
             CREATE TRIGGER always_due BEFORE UPDATE ON account FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION always_due()"
        };
        site.sql(trigger).unwrap();
        site.sql("UPDATE account SET due_us = 1 WHERE id = 1").unwrap();
        run(async {
            let (committer, store) = committer(&site);
            let answers = together(&committer, vec![consume(1, 1), consume(2, 1)]).await;
            assert_eq!(refusals(&answers), [Some(Refusal::Internal), None]);
            store.close().await;
        });
    });
}

#[test]
fn asked_to_stop_the_core_answers_every_debit_under_way() {
    const DEBITS: usize = 24;
    on_both(|site| {
        let mut server = site.serve();
        let member = server.sign_up();
        let (public, internal, token) = (server.public.clone(), server.internal.clone(), server.token.clone());
        std::thread::scope(|scope| {
            let mut answers = Vec::new();
            run(async {
                // Nobody can commit while this transaction has the account.
                let mut connection = AnyConnection::connect(&site.url).await.unwrap();
                let begin = if site.engine == "sqlite" {
                    "BEGIN IMMEDIATE"
                } else {
                    "BEGIN"
                };
                let mut transaction = connection.begin_with(begin).await.unwrap();
                sqlx::query("UPDATE account SET updated_at_us = updated_at_us")
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                for _ in 0..DEBITS {
                    let (public, access) = (&public, &member.access);
                    answers.push(scope.spawn(move || {
                        let body = json!({"amount": 1, "description": "words"});
                        let request = igny8_testkit::http::post(public, "/api/v1/credits/consume/").bearer(access);
                        request.json(&body).send()
                    }));
                }
                let all = format!("igny8_core_stories_under_way {DEBITS}");
                wait_until("every debit to be under way", Duration::from_secs(20), || {
                    let metrics = get(&internal, "/metrics").bearer(&token).send().text();
                    metrics.contains(&all).then_some(())
                });
                server.child.signal("TERM");
                transaction.rollback().await.unwrap();
            });
            for answer in answers {
                let answer = answer.join().unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        });
        let ended = wait_until("the core to end", Duration::from_secs(20), || server.child.ended());
        assert!(ended.success(), "{ended}");
        assert_eq!(
            site.number("SELECT credits FROM account"),
            2000 - i64::try_from(DEBITS).unwrap()
        );
        site.is_healthy();
    });
}
