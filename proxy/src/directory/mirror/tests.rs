use super::*;
use igny8_contract::claims::AccountRole;
use proptest::prelude::*;

const ACCOUNTS: usize = 4;
const SIDS: usize = 6;

fn facts(epoch: i64) -> AccountFacts {
    AccountFacts {
        status: AccountStatus::Active,
        reason: None,
        plan: format!("plan-{}", epoch % 2),
        account_epoch: epoch,
        period_end_us: Some(Timestamp(epoch)),
        grace_end_us: None,
    }
}

fn user_facts(epoch: i64) -> UserFacts {
    UserFacts {
        is_active: true,
        role: AccountRole::Owner,
        platform_role: None,
        user_epoch: epoch,
    }
}

/// What a change of the model is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Account(usize),
    User(usize),
    SignIn(usize),
}

/// A core in a few lines: a log of what was changed, each with the next number. Epochs count the changes; user `n` belongs to
/// account `n`, and sign-in `n` to user `n % ACCOUNTS`.
#[derive(Debug, Default)]
struct Model {
    log: Vec<About>,
}

impl Model {
    fn head(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    fn count(&self, about: About, seq: i64) -> i64 {
        let upto = usize::try_from(seq).unwrap();
        i64::try_from(self.log[..upto].iter().filter(|changed| **changed == about).count()).unwrap()
    }

    fn item(&self, about: About) -> Item {
        let now = self.head();
        match about {
            About::Account(number) => Item::Account {
                id: account_id(number),
                facts: Some(facts(self.count(about, now))),
            },
            About::User(number) => Item::User {
                id: user_id(number),
                account_id: Some(account_id(number)),
                facts: Some(user_facts(self.count(about, now))),
            },
            About::SignIn(number) => Item::SignIn {
                sid: sid(number),
                until_us: Timestamp(i64::MAX),
            },
        }
    }

    fn answer(&self, number: usize) -> StandingAnswer {
        let (now, user) = (self.head(), number % ACCOUNTS);
        StandingAnswer {
            account: Some(facts(self.count(About::Account(user), now))),
            user: Some(user_facts(self.count(About::User(user), now))),
            sid_active: self.count(About::SignIn(number), now) == 0,
            generation: "g".into(),
            seq: now,
        }
    }
}

fn account_id(number: usize) -> AccountId {
    AccountId(i64::try_from(number).unwrap() + 1)
}

fn user_id(number: usize) -> UserId {
    UserId(i64::try_from(number).unwrap() + 1)
}

fn sid(number: usize) -> String {
    format!("sid-{number}")
}

fn query(number: usize) -> StandingQuery {
    StandingQuery {
        account_id: account_id(number % ACCOUNTS),
        user_id: user_id(number % ACCOUNTS),
        sid: sid(number),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(About),
    /// Core answers a question now; the answer is on its way.
    Ask(usize),
    /// An answer that is on its way arrives, in any order.
    Arrive(usize),
    /// The feed tells of at most so many changes.
    Follow(usize),
    /// A page of a snapshot, as it stands now.
    Page(About),
}

fn about() -> impl Strategy<Value = About> {
    prop_oneof![
        (0..ACCOUNTS).prop_map(About::Account),
        (0..ACCOUNTS).prop_map(About::User),
        (0..SIDS).prop_map(About::SignIn),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => about().prop_map(Step::Change),
        2 => (0..SIDS).prop_map(Step::Ask),
        3 => (0..8_usize).prop_map(Step::Arrive),
        2 => (1..5_usize).prop_map(Step::Follow),
        1 => (0..ACCOUNTS).prop_map(|number| Step::Page(About::Account(number))),
        1 => (0..ACCOUNTS).prop_map(|number| Step::Page(About::User(number))),
    ]
}

/// What somebody would be judged by is never older than the place up to which the feed has been followed.
fn assert_not_older(model: &Model, known: &StandingFacts, number: usize, place: i64) {
    let user = number % ACCOUNTS;
    let (account, person) = (known.account.as_ref().unwrap(), known.user.as_ref().unwrap());
    assert!(
        account.account_epoch >= model.count(About::Account(user), place),
        "an old account"
    );
    assert!(
        person.user_epoch >= model.count(About::User(user), place),
        "an old user"
    );
    if model.count(About::SignIn(number), place) > 0 {
        assert!(!known.sid_active, "a sign-in that has ended");
    }
}

fn run(steps: &[Step], bounds: Bounds) {
    let (mut model, mirror) = (Model::default(), Mirror::new("g", bounds));
    let (mut place, mut on_their_way) = (0, Vec::new());
    let follow = |model: &Model, place: &mut i64, limit: usize| {
        let from = usize::try_from(*place).unwrap();
        let upto = model.log.len().min(from.saturating_add(limit));
        for about in &model.log[from..upto] {
            mirror.put(&model.item(*about), model.head(), 0);
        }
        *place = i64::try_from(upto).unwrap();
    };
    for step in steps {
        match step {
            Step::Change(about) => model.log.push(*about),
            Step::Ask(number) => on_their_way.push((*number, model.answer(*number))),
            Step::Arrive(index) if !on_their_way.is_empty() => {
                let (number, answer) = on_their_way.swap_remove(index % on_their_way.len());
                if matches!(mirror.learn(&query(number), &answer, i64::MAX), Learned::Kept(_)) {
                    let used = mirror.complete(&query(number), &answer);
                    assert_not_older(&model, &used, number, place);
                }
            }
            Step::Arrive(_) => {}
            Step::Follow(limit) => follow(&model, &mut place, *limit),
            Step::Page(about) => mirror.put(&model.item(*about), model.head(), 0),
        }
        for number in 0..SIDS {
            if let Some(known) = mirror.compose(&query(number)) {
                assert_not_older(&model, &known, number, place);
            }
        }
    }
    follow(&model, &mut place, usize::MAX);
    for number in 0..SIDS {
        if let Some(known) = mirror.compose(&query(number)) {
            assert_eq!(known, model.answer(number).facts());
        }
    }
}

proptest! {
    #[test]
    fn whatever_order_news_comes_in_nobody_is_judged_by_what_the_feed_has_outdated(
        steps in proptest::collection::vec(step(), 0..80)
    ) {
        run(&steps, Bounds::default());
    }

    #[test]
    fn that_holds_where_next_to_nothing_fits(
        steps in proptest::collection::vec(step(), 0..80), accounts in 0..3_usize, users in 0..3_usize, sign_ins in 0..3_usize
    ) {
        run(&steps, Bounds { accounts, users, sign_ins, keys: 0 });
    }
}

#[test]
fn the_memory_of_ended_sign_ins_and_revoked_keys_is_swept() {
    let mirror = Mirror::new("g", Bounds::default());
    let digest = "0a".repeat(32);
    mirror.put(
        &Item::SignIn {
            sid: "s".into(),
            until_us: Timestamp(100_000_000),
        },
        1,
        40,
    );
    mirror.put(&Item::ApiKey { digest: digest.clone() }, 2, 40);
    mirror.put(
        &Item::ApiKey {
            digest: "no digest".into(),
        },
        3,
        40,
    );
    assert!(mirror.has_key_changed(&[10; 32], 40) && !mirror.has_key_changed(&[11; 32], 40));
    assert!(!mirror.has_key_changed(&[10; 32], 41), "asked about again since");
    mirror.sweep(159);
    assert_eq!((mirror.sizes().sign_ins, mirror.sizes().keys), (1, 1));
    mirror.sweep(40 + KEPT_KEY_SECONDS);
    assert_eq!((mirror.sizes().sign_ins, mirror.sizes().keys), (0, 0));
}

#[test]
fn an_answer_of_another_database_is_not_kept() {
    let model = Model::default();
    for mirror in [Mirror::new("other", Bounds::default()), Mirror::of_nothing()] {
        assert_eq!(mirror.learn(&query(1), &model.answer(1), 9), Learned::Foreign);
        assert_eq!(mirror.sizes(), Mirror::of_nothing().sizes());
    }
}

#[test]
fn a_user_is_nobody_in_another_account_and_a_sign_in_is_nobody_elses() {
    let (model, mirror) = (Model::default(), Mirror::new("g", Bounds::default()));
    for number in 0..2 {
        mirror.learn(&query(number), &model.answer(number), i64::MAX - 100);
    }
    let compose = |account, user, of| {
        let query = StandingQuery {
            account_id: account_id(account),
            user_id: user_id(user),
            sid: sid(of),
        };
        mirror.compose(&query).unwrap()
    };
    assert!(compose(0, 0, 0).sid_active && compose(0, 0, 0).user.is_some());
    assert!(!compose(0, 0, 1).sid_active);
    assert_eq!(compose(0, 1, 1).user, None);
    assert_eq!(mirror.account(account_id(3)), None);
    assert_eq!(mirror.account(account_id(1)), Some(Some(facts(0))));
}

/// What `docs/performance.md` says of memory follows from these; a map keeps at least an eighth of its places free.
#[test]
fn an_account_and_a_user_take_no_more_bytes_than_is_said() {
    assert!(
        size_of::<(AccountId, Known<Account>)>() <= 80,
        "{}",
        size_of::<(AccountId, Known<Account>)>()
    );
    assert!(size_of::<(UserId, Known<(AccountId, UserFacts)>)>() <= 40);
    assert!(size_of::<(Box<str>, SignIn)>() <= 40);
    assert!(size_of::<([u8; 32], i64)>() <= 40);
}

/// The least time that a thousand look-ups take, of many tries.
fn least(mirror: &Mirror, people: usize) -> std::time::Duration {
    use igny8_contract::time::{Clock, SystemClock};
    let clock = SystemClock::new();
    let queries: Vec<StandingQuery> = (0..1000).map(|number| own_query(number * 7919 % people)).collect();
    let once = || {
        let begun = clock.elapsed();
        assert!(queries.iter().all(|query| mirror.compose(query).is_some()));
        clock.elapsed() - begun
    };
    (0..50).map(|_| once()).min().unwrap()
}

fn own_query(number: usize) -> StandingQuery {
    StandingQuery {
        account_id: account_id(number),
        user_id: user_id(number),
        sid: format!("sid-{number:018}"),
    }
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn filled(people: usize, keys: usize) -> Mirror {
    let (model, mirror) = (Model::default(), Mirror::new("g", Bounds::default()));
    for number in 0..people {
        mirror.learn(&own_query(number), &model.answer(0), i64::MAX - 100);
    }
    for number in 0..keys {
        mirror.put(
            &Item::ApiKey {
                digest: format!("{number:064x}"),
            },
            1,
            0,
        );
    }
    mirror
}

#[test]
fn somebody_is_found_among_a_hundred_thousand_as_quickly_as_among_a_hundred() {
    let few = filled(100, 10);
    let before = resident_bytes();
    let many = filled(100_000, 10_000);
    let grown = resident_bytes().saturating_sub(before);
    assert_eq!((many.sizes().accounts, many.sizes().keys), (100_000, 10_000));
    let (among_few, among_many) = (least(&few, 100), least(&many, 100_000));
    println!(
        "1,000 look-ups: {among_few:?} among 100, {among_many:?} among 100,000; {} bytes for each",
        grown / 100_000
    );
    // Memory that is not in the processor's caches is slower, whatever the way to it; a search would be a thousand times so.
    assert!(among_many < among_few * 30, "{among_few:?} {among_many:?}");
}
