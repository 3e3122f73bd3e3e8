//! The line of sign-ups itself: what one does to the others that share its transaction, and how it ends.

use super::inside::{refusals, run};
use super::site::{Site, on_both};
use igny8_contract::claims::AccountRole;
use igny8_contract::refusal::Refusal;
use igny8_core::app::leaving::Leaving;
use igny8_core::app::profile::Profile;
use igny8_core::app::sign_in::Visitor;
use igny8_core::app::sign_ups::SignUp;
use igny8_core::app::{Core, StoryError};
use igny8_core::config::Config;
use igny8_core::domain::link::Purpose;
use igny8_core::domain::user::NewUser;
use igny8_core::serve;
use sqlx::{AnyConnection, Connection};
use std::sync::Arc;
use std::time::Duration;

/// A core in this process, on the site's database.
fn core(site: &Site) -> Core {
    let environment = site.environment().into_iter();
    serve::core(&Config::read("test", "", environment).unwrap(), true).unwrap()
}

/// Somebody whose password is hashed.
fn person(core: &Core, email: &str, plan_slug: Option<&str>) -> Arc<SignUp> {
    let beginning = core.begin_sign_in(&Visitor::default());
    Arc::new(SignUp {
        user: NewUser {
            email: email.into(),
            password_hash: "$argon2id$".into(),
            first_name: String::new(),
            last_name: String::new(),
            role: AccountRole::Owner,
            platform_role: None,
            is_superuser: false,
        },
        // Names tell nobody apart.
        account_name: "Office".into(),
        plan_slug: plan_slug.map(Into::into),
        link: core.new_link(Purpose::VerifyEmail, beginning.now),
        beginning,
        leaving: Leaving::default(),
        request_id: format!("of {email}"),
        now: core.now(),
    })
}

type Answers = Vec<Result<Profile, StoryError>>;

/// Signs people up in this order and waits for all answers. Each is on the way before the first stands in line, so that they
/// are carried out in one batch.
async fn together(core: &Core, people: Vec<Arc<SignUp>>) -> Answers {
    let on_the_way: Vec<_> = people.iter().map(|_| core.sign_ups.set_out()).collect();
    let mut answers = Vec::new();
    for (person, on_the_way) in people.into_iter().zip(on_the_way) {
        let sign_ups = core.sign_ups.clone();
        answers.push(tokio::spawn(
            async move { sign_ups.carry_out(person, on_the_way).await },
        ));
    }
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    told
}

/// Everything that belongs to so many people, and nothing of anybody else.
fn are_whole(site: &Site, people: i64) {
    for rows in [
        "account WHERE status = 'trial' AND credits = 2000 AND bucket_count = 1 AND due_us > created_at_us",
        "users JOIN account ON account.id = users.account_id",
        "ledger_entry WHERE amount = 2000 AND sequence = 1",
        "credit_bucket WHERE remaining = 2000",
        "subscription WHERE status = 'trialing' AND grants = 1",
        "subscription_period",
        "sign_in JOIN users ON users.id = sign_in.user_id",
        "refresh_token JOIN sign_in ON sign_in.id = refresh_token.sign_in_id",
        "mailed_token JOIN users ON users.id = mailed_token.user_id AND users.email = mailed_token.recipient",
        "audit JOIN users ON users.id = audit.actor_user_id AND users.account_id = audit.account_id \
         WHERE audit.action = 'account.registered' AND audit.request_id = 'of ' || users.email",
        "outbox JOIN audit ON audit.account_id = outbox.account_id AND audit.detail = outbox.payload",
    ] {
        let table = rows.split_whitespace().next().unwrap();
        // The plans are in the audit, too.
        let all = (table != "audit").then_some(table);
        for counted in all.into_iter().chain([rows]) {
            let count = site.number(&format!("SELECT COUNT(*) FROM {counted}"));
            assert_eq!(count, people, "{counted} on {}", site.engine);
        }
    }
    site.is_healthy();
}

#[test]
fn one_transaction_carries_the_sign_ups_of_many_and_a_refused_one_touches_no_other() {
    on_both(|site| {
        run(async {
            let core = core(&site);
            let people = [
                ("ann@example.com", None),
                ("ben@example.com", Some("starter")),
                ("ben@example.com", None),
                ("ann@example.com", None),
                ("eve@example.com", Some("no-such-plan")),
                ("cas@example.com", Some("free")),
                ("ben@example.com", Some("enterprise")),
            ];
            let people = people.map(|(email, plan)| person(&core, email, plan));
            let answers = together(&core, people.into()).await;
            let expected = [
                None,
                Some(Refusal::PaidPlanNeedsPayment),
                None,
                Some(Refusal::EmailTaken),
                Some(Refusal::ValidationFailed),
                None,
                Some(Refusal::EnterpriseNeedsStaff),
            ];
            assert_eq!(refusals(&answers), expected);
            let told = answers.iter().flatten();
            let emails: Vec<&str> = told.clone().map(|profile| profile.user.email.as_str()).collect();
            assert_eq!(emails, ["ann@example.com", "ben@example.com", "cas@example.com"]);
            for profile in told {
                assert_eq!(profile.user.account_id, profile.account.account.id);
                assert_eq!(profile.account.account.ledger.balance.0, 2000);
                assert_eq!(profile.account.plan.as_ref().unwrap().terms.slug, "free-trial");
                assert!(profile.subscription.is_some());
            }
            core.store.close().await;
        });
        are_whole(&site, 3);
        let instants = "SELECT COUNT(DISTINCT created_at_us) FROM account";
        assert_eq!(site.number(instants), 1, "one transaction has one instant");
    });
}

#[test]
fn more_sign_ups_than_a_statement_carries_are_all_made_whole() {
    on_both(|site| {
        run(async {
            let core = core(&site);
            let people = (0..150).map(|number| person(&core, &format!("person-{number}@example.com"), None));
            let answers = together(&core, people.collect()).await;
            assert_eq!(refusals(&answers), [None; 150]);
            core.store.close().await;
        });
        are_whole(&site, 150);
    });
}

#[test]
fn without_a_plan_everybody_in_the_transaction_is_refused_and_nothing_is_made() {
    on_both(|site| {
        site.sql("UPDATE plan SET is_active = 0 WHERE slug IN ('free-trial', 'free')")
            .unwrap();
        let before = site.counts();
        run(async {
            let core = core(&site);
            let people = ["ann@example.com", "ben@example.com"].map(|email| person(&core, email, None));
            let answers = together(&core, people.into()).await;
            assert_eq!(refusals(&answers), [Some(Refusal::PlanUnavailable); 2]);
            core.store.close().await;
        });
        assert_eq!(site.counts(), before);
    });
}

#[test]
fn what_the_database_refuses_of_one_takes_no_other_along() {
    on_both(|site| {
        let trigger = if site.engine == "sqlite" {
            "CREATE TRIGGER not_eve BEFORE INSERT ON outbox WHEN EXISTS (SELECT 1 FROM users \
             WHERE account_id = NEW.account_id AND email = 'eve@example.com') BEGIN SELECT RAISE(ABORT, 'not her'); END"
        } else {
            "CREATE FUNCTION not_eve() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF EXISTS (SELECT 1 FROM users WHERE account_id = NEW.account_id AND email = 'eve@example.com') THEN \
             RAISE EXCEPTION 'not her' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER not_eve BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION not_eve()"
        };
        site.sql(trigger).unwrap();
        run(async {
            let core = core(&site);
            let emails = [
                "ann@example.com",
                "eve@example.com",
                "ann@example.com",
                "ben@example.com",
            ];
            let answers = together(&core, emails.map(|email| person(&core, email, None)).into()).await;
            let expected = [None, Some(Refusal::Internal), Some(Refusal::EmailTaken), None];
            assert_eq!(refusals(&answers), expected);
            core.store.close().await;
        });
        are_whole(&site, 2);
    });
}

#[test]
fn a_transaction_that_fails_is_told_to_everybody_who_signs_up_in_it() {
    on_both(|site| {
        run(async {
            let core = core(&site);
            let people = (0..3).map(|number| person(&core, &format!("person-{number}@example.com"), None));
            let people = people.collect();
            core.store.close().await;
            let answers = together(&core, people).await;
            assert_eq!(refusals(&answers), [Some(Refusal::StorageUnavailable); 3]);
        });
        are_whole(&site, 0);
    });
}

#[test]
fn an_address_that_another_process_takes_meanwhile_is_taken_and_the_others_are_signed_up() {
    on_both(|site| {
        run(async {
            let core = core(&site);
            let mut connection = AnyConnection::connect(&site.url).await.unwrap();
            let begin = if site.engine == "sqlite" {
                "BEGIN IMMEDIATE"
            } else {
                "BEGIN"
            };
            let mut other = connection.begin_with(begin).await.unwrap();
            for statement in [
                "INSERT INTO account (id, kind, name, status, created_at_us, updated_at_us) \
                 VALUES (1000, 'staff', 'Staff', 'active', 0, 0)",
                "INSERT INTO users (account_id, email, password_hash, first_name, last_name, role, is_superuser, \
                 is_active, created_at_us, updated_at_us) \
                 VALUES (1000, 'ben@example.com', '', '', '', 'owner', 0, 1, 0, 0)",
            ] {
                sqlx::query(statement).execute(&mut *other).await.unwrap();
            }
            let emails = ["cas@example.com", "ben@example.com", "ann@example.com"];
            let people = emails.map(|email| person(&core, email, None)).into();
            let answers = tokio::spawn({
                let core = core.clone();
                async move { together(&core, people).await }
            });
            if site.engine == "postgres" {
                let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                               AND wait_event_type = 'Lock'";
                // Within a transaction PostgreSQL would tell the same each time.
                let mut watcher = AnyConnection::connect(&site.url).await.unwrap();
                let somebody_waits = async {
                    while sqlx::query_scalar::<_, i64>(waiting)
                        .fetch_one(&mut watcher)
                        .await
                        .unwrap()
                        == 0
                    {
                        tokio::task::yield_now().await;
                    }
                };
                let patience = Duration::from_secs(20);
                tokio::time::timeout(patience, somebody_waits)
                    .await
                    .expect("the sign-ups to wait");
            }
            other.commit().await.unwrap();
            connection.close().await.unwrap();
            let answers = answers.await.unwrap();
            assert_eq!(refusals(&answers), [None, Some(Refusal::EmailTaken), None]);
            core.store.close().await;
        });
        site.sql("DELETE FROM users WHERE account_id = 1000").unwrap();
        site.sql("DELETE FROM account WHERE id = 1000").unwrap();
        are_whole(&site, 2);
    });
}
