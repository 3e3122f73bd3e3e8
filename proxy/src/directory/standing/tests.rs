use super::*;
use crate::directory::client::HttpClient;
use crate::tokens::testing::{NOW, payload};
use http::HeaderValue;
use igny8_contract::claims::{AccessClaims, AccountRole};
use igny8_contract::feed::{Change, FeedHead};
use igny8_contract::ids::ApiKeyId;
use igny8_contract::messages::{KeyFacts, StandingQuery, UserFacts};
use igny8_contract::standing::{AccountFacts, AccountStatus, SuspendReason, TokenFacts};
use igny8_contract::time::Timestamp;
use std::sync::atomic::AtomicI64;

#[derive(Debug)]
struct HandClock(AtomicI64);

impl HandClock {
    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(NOW * 1_000_000 + self.0.load(Ordering::SeqCst) * 1000)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

fn account(epoch: i64) -> AccountFacts {
    AccountFacts {
        status: AccountStatus::Active,
        reason: None,
        plan: "starter".into(),
        account_epoch: epoch,
        period_end_us: None,
        grace_end_us: None,
    }
}

fn claims() -> AccessClaims {
    serde_json::from_value(payload()).unwrap()
}

fn identity() -> Identity {
    Identity::of(claims()).unwrap()
}

fn query(identity: &Identity) -> &StandingQuery {
    identity.asks_core().unwrap().0
}

fn changes(seq: i64, items: Vec<Item>) -> Changes {
    let change = |item| Change {
        at_us: Timestamp(0),
        item,
    };
    Changes {
        upto: FeedHead {
            generation: "g".into(),
            seq,
            stamp: 0,
        },
        as_of: seq,
        waited_us: 0,
        changes: items.into_iter().map(change).collect(),
    }
}

/// A directory whose core never answers.
fn directory() -> (Directory, Arc<HandClock>) {
    let (client, _nobody_answers) = HttpClient::new();
    let clock = Arc::new(HandClock(AtomicI64::new(10_000)));
    let core = CoreClient::new(
        client,
        "http://127.0.0.1:1".into(),
        HeaderValue::from_static("x"),
        Duration::from_secs(1),
    );
    (
        Directory::new(core, Duration::from_secs(300), Arc::<HandClock>::clone(&clock)),
        clock,
    )
}

/// What core would answer about the bearer of [`identity`].
fn answer(seq: i64) -> StandingAnswer {
    let token = TokenFacts::from(&claims());
    StandingAnswer {
        account: Some(account(token.account_epoch)),
        user: Some(UserFacts {
            is_active: true,
            role: token.role,
            platform_role: token.platform_role,
            user_epoch: token.user_epoch,
        }),
        sid_active: true,
        generation: "g".into(),
        seq,
    }
}

fn known() -> (Directory, Arc<HandClock>) {
    let (directory, clock) = directory();
    let mirror = Directory::blank("g");
    mirror.learn(query(&identity()), &answer(1), NOW + 300);
    directory.install(mirror);
    (directory, clock)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn what_is_known_is_fresh_while_the_feed_confirms_it_and_a_change_is_felt_at_once() {
    let (directory, clock) = known();
    let (identity, now) = (identity(), || clock.elapsed());
    assert!(directory.fresh(&identity, now()).is_none(), "no word of the feed yet");
    directory.apply(&changes(1, vec![]), now());
    let first = directory.fresh(&identity, now()).unwrap();
    assert!(
        Arc::ptr_eq(&first, &directory.fresh(&identity, now()).unwrap()),
        "put together once"
    );
    let facts = Some(account(9));
    directory.apply(
        &changes(
            2,
            vec![Item::Account {
                id: query(&identity).account_id,
                facts,
            }],
        ),
        now(),
    );
    let changed = directory.fresh(&identity, now()).unwrap();
    assert_eq!(changed.account.as_ref().unwrap().account_epoch, 9);
    clock.advance(699);
    assert!(directory.fresh(&identity, now()).is_some());
    clock.advance(1);
    assert!(directory.fresh(&identity, now()).is_none());
}

#[test]
fn a_late_word_confirms_no_more_than_it_was_good_for_when_core_gave_it() {
    let (directory, clock) = known();
    let asked_at = clock.elapsed();
    clock.advance(2_000);
    let mut word = changes(1, vec![]);
    word.waited_us = 1_400_000;
    directory.apply(&word, asked_at);
    assert_eq!(directory.age(), Some(Duration::from_millis(600)));
    assert!(directory.fresh(&identity(), clock.elapsed()).is_some());
    clock.advance(100);
    assert!(directory.fresh(&identity(), clock.elapsed()).is_none());
    let mut part = changes(2, vec![]);
    part.as_of = 3;
    directory.apply(&part, clock.elapsed());
    assert!(
        directory.fresh(&identity(), clock.elapsed()).is_none(),
        "there is more to come"
    );
}

#[test]
fn while_core_is_silent_known_accounts_are_served_for_a_while_and_staff_are_not() {
    let (directory, clock) = known();
    directory.apply(&changes(1, vec![]), clock.elapsed());
    clock.advance(1_000);
    let ask = |identity: &Identity, staff| wait(directory.ask(identity, staff));
    assert!(ask(&identity(), false).is_some());
    assert!(ask(&identity(), true).is_none());
    let mut stranger = claims();
    stranger.sid = "another".into();
    let stranger = Identity::of(stranger).unwrap();
    assert!(ask(&stranger, false).is_none());
    clock.advance(298_999);
    assert!(ask(&identity(), false).is_some());
    clock.advance(1);
    assert!(ask(&identity(), false).is_none());
}

#[test]
fn nobody_is_known_before_the_first_snapshot_and_after_the_history_has_become_another() {
    let (directory, clock) = directory();
    directory.apply(&changes(1, vec![]), clock.elapsed());
    assert!(directory.fresh(&identity(), clock.elapsed()).is_none());
    assert!(wait(directory.ask(&identity(), false)).is_none() && !directory.is_synced());
    let (directory, clock) = known();
    directory.apply(&changes(1, vec![]), clock.elapsed());
    assert!(directory.fresh(&identity(), clock.elapsed()).is_some());
    directory.distrust();
    assert!(directory.fresh(&identity(), clock.elapsed()).is_none());
    assert!(wait(directory.ask(&identity(), false)).is_none());
    assert!(directory.is_synced(), "core may be asked");
}

#[test]
fn others_are_told_what_they_have_to_do() {
    let (directory, clock) = known();
    let digest = "0b".repeat(32);
    let items = vec![
        Item::Session { digest: digest.clone() },
        Item::KeySet,
        Item::ApiKey { digest: digest.clone() },
    ];
    let effects = directory.apply(&changes(2, items), clock.elapsed());
    assert_eq!(
        effects,
        Effects {
            sessions: vec![digest.clone()],
            keys: vec![digest],
            key_set: true
        }
    );
    assert!(directory.mirror().has_key_changed(&[11; 32], NOW));
    assert_eq!(
        directory.apply(&changes(3, vec![]), clock.elapsed()),
        Effects::default()
    );
}

/// The copy of a key of the bearer of [`identity`].
fn grant() -> Arc<Grant> {
    let (identity, token) = (identity(), TokenFacts::from(&claims()));
    let maker = query(&identity);
    Arc::new(Grant::of(
        [11; 32],
        KeyFacts {
            key_id: ApiKeyId(1),
            account_id: maker.account_id,
            user_id: maker.user_id,
            role: token.role,
            expires_at_us: None,
            standing: answer(1).facts(),
            token: "t".into(),
            token_exp: NOW + 900,
        },
    ))
}

/// What has become of a key's copy that was asked for before these changes came; the feed confirmed them unless `unsure`.
fn copy_after(items: Vec<Item>, unsure: bool) -> Option<Arc<Grant>> {
    let (directory, clock) = known();
    let (copy, asked_at) = (grant(), clock.elapsed());
    clock.advance(2_000);
    let mut told = changes(2, items);
    if unsure {
        told.as_of = 3;
    }
    directory.apply(&told, clock.elapsed());
    clock.advance(5_000);
    directory.bring_up_to_date(&copy, asked_at)
}

#[test]
fn an_old_copy_of_a_key_stands_as_its_account_and_its_maker_have_been_told_of_since() {
    let (identity, copy) = (identity(), grant());
    let maker = query(&identity);
    let account = |change: fn(&mut AccountFacts)| {
        let mut facts = copy.standing.account.clone().unwrap();
        change(&mut facts);
        let (id, facts) = (maker.account_id, Some(facts));
        vec![Item::Account { id, facts }]
    };
    let user = |change: fn(&mut UserFacts)| {
        let mut facts = copy.standing.user.clone().unwrap();
        change(&mut facts);
        let (id, account_id, facts) = (maker.user_id, Some(maker.account_id), Some(facts));
        vec![Item::User { id, account_id, facts }]
    };
    let untouched = copy_after(vec![], false).unwrap();
    assert_eq!(untouched.standing, copy.standing);

    let suspended = || {
        account(|facts| {
            facts.status = AccountStatus::Suspended;
            facts.reason = Some(SuspendReason::Abuse);
        })
    };
    let standing = copy_after(suspended(), false).unwrap().standing.clone();
    assert_eq!(standing.account.as_ref().unwrap().status, AccountStatus::Suspended);
    assert!(
        copy_after(suspended(), true).is_none(),
        "which word is the newer one is not known"
    );

    let standing = copy_after(user(|facts| facts.is_active = false), false)
        .unwrap()
        .standing
        .clone();
    assert!(!standing.user.as_ref().unwrap().is_active);
    assert!(copy_after(user(|facts| facts.role = AccountRole::Viewer), false).is_none());
    let standing = copy_after(user(|facts| facts.user_epoch += 1), false);
    assert!(standing.is_some(), "another password ends sign-ins, not programs");

    let gone = vec![Item::Account {
        id: maker.account_id,
        facts: None,
    }];
    assert!(copy_after(gone, false).unwrap().standing.account.is_none());
    let revoked = vec![Item::ApiKey {
        digest: "0b".repeat(32),
    }];
    assert!(!copy_after(revoked, false).unwrap().standing.sid_active);
}
