use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_000);

fn reason(what: &str) -> Reason {
    Reason::plain(TransactionType::Bonus, what)
}

fn spent() -> Reason {
    Reason::plain(TransactionType::Consumption, "spent")
}

fn key(grant: i64) -> GrantKey {
    GrantKey {
        subscription: 1,
        period: 1,
        grant,
    }
}

/// A purse with 100 plan credits, 50 bonus credits that expire at 2,000, and 30 purchased ones: buckets 1, 2 and 3.
fn filled() -> Purse {
    let mut purse = Purse::default();
    purse.reset_plan(Credits(100), key(1), reason("grant"), NOW).unwrap();
    purse
        .add(BucketKind::Bonus, Credits(50), Some(Timestamp(2_000)), reason("bonus"))
        .unwrap();
    purse
        .add(BucketKind::Purchased, Credits(30), None, reason("purchase"))
        .unwrap();
    purse
}

fn consume(purse: &mut Purse, amount: i64) -> Result<(), Refusal> {
    purse.consume(Credits(amount), spent(), NOW)
}

fn hold(purse: &mut Purse, amount: i64) -> i64 {
    purse
        .hold(Credits(amount), Timestamp(1_500), "held".into(), "{}".into(), NOW)
        .unwrap()
}

/// Number, remaining and held of each bucket.
fn buckets(purse: &Purse) -> Vec<(i64, i64, i64)> {
    let read = |bucket: &Bucket| (bucket.number, bucket.remaining.0, bucket.held.0);
    purse.buckets.iter().map(read).collect()
}

/// Amount and balance of the last `count` entries.
fn last_entries(purse: &Purse, count: usize) -> Vec<(i64, i64)> {
    let entries = &purse.journal.entries;
    let read = |(movement, _): &(Movement, Reason)| (movement.amount.0, movement.balance_after.0);
    entries[entries.len() - count..].iter().map(read).collect()
}

#[test]
fn plan_credits_are_drawn_first_and_purchased_ones_last() {
    let mut purse = filled();
    consume(&mut purse, 120).unwrap();
    assert_eq!(buckets(&purse), [(2, 30, 0), (3, 30, 0)]);
    assert_eq!(
        last_entries(&purse, 1),
        [(-120, 60)],
        "one entry, however many buckets it draws from"
    );
    consume(&mut purse, 60).unwrap();
    assert_eq!(buckets(&purse), []);
    assert_eq!(consume(&mut purse, 1), Err(Refusal::InsufficientCredits));
}

#[test]
fn of_one_kind_what_expires_sooner_is_drawn_first() {
    let mut purse = Purse::default();
    for end in [
        None,
        Some(Timestamp(3_000)),
        Some(Timestamp(2_000)),
        Some(Timestamp(2_000)),
    ] {
        purse.add(BucketKind::Bonus, Credits(10), end, reason("bonus")).unwrap();
    }
    consume(&mut purse, 15).unwrap();
    assert_eq!(buckets(&purse), [(1, 10, 0), (2, 10, 0), (4, 5, 0)]);
}

#[test]
fn a_hold_takes_what_a_debit_would_and_leaves_the_balance() {
    let mut purse = filled();
    let number = hold(&mut purse, 120);
    assert_eq!(buckets(&purse), [(1, 100, 100), (2, 50, 20), (3, 30, 0)]);
    assert_eq!(
        (purse.head.balance, purse.held(), purse.available()),
        (Credits(180), Credits(120), Credits(60))
    );
    assert_eq!(purse.journal.entries.len(), 3, "a hold is no entry");
    assert_eq!(consume(&mut purse, 61), Err(Refusal::InsufficientCredits));
    purse.confirm(number, Credits(110), spent(), NOW).unwrap();
    assert_eq!(buckets(&purse), [(2, 40, 0), (3, 30, 0)]);
    assert_eq!(last_entries(&purse, 1), [(-110, 70)]);
    let ended = purse.journal.ended_holds[0];
    assert_eq!(
        (ended.number, ended.end, ended.confirmed),
        (number, HoldEnd::Confirmed, Credits(110))
    );
}

#[test]
fn a_hold_ends_once() {
    let mut purse = filled();
    let (one, other) = (hold(&mut purse, 10), hold(&mut purse, 20));
    purse.release(one, NOW).unwrap();
    assert_eq!(buckets(&purse), [(1, 100, 20), (2, 50, 0), (3, 30, 0)]);
    let before = purse.clone();
    assert_eq!(purse.release(one, NOW), Err(Refusal::HoldEnded));
    assert_eq!(purse.confirm(one, Credits(1), spent(), NOW), Err(Refusal::HoldEnded));
    assert_eq!(purse.confirm(3, Credits(1), spent(), NOW), Err(Refusal::HoldEnded));
    assert_eq!(
        purse.confirm(other, Credits(21), spent(), NOW),
        Err(Refusal::InsufficientCredits)
    );
    assert_eq!(purse, before);
}

#[test]
fn a_hold_keeps_its_credits_beyond_the_end_of_their_bucket() {
    let mut purse = filled();
    let (drawn, let_go) = (hold(&mut purse, 60), hold(&mut purse, 50));
    // Of bucket 1 all is held; of bucket 2 the second hold has 10, and 40 are free.
    purse
        .reset_plan(Credits(500), key(2), reason("grant"), Timestamp(1_200))
        .unwrap();
    assert_eq!(buckets(&purse), [(1, 100, 100), (2, 50, 10), (3, 30, 0), (4, 500, 0)]);
    purse.expire(Timestamp(2_000)).unwrap();
    assert_eq!(purse.holds, [], "they were to end at 1,500");
    assert_eq!(buckets(&purse), [(3, 30, 0), (4, 500, 0)]);

    let mut purse = filled();
    let numbers = (hold(&mut purse, 60), hold(&mut purse, 50));
    assert_eq!(numbers, (drawn, let_go));
    purse
        .reset_plan(Credits(500), key(2), reason("grant"), Timestamp(1_200))
        .unwrap();
    purse.confirm(drawn, Credits(50), spent(), Timestamp(1_300)).unwrap();
    assert_eq!(
        last_entries(&purse, 2),
        [(-50, 630), (-10, 620)],
        "the rest of the old grant expires at once"
    );
    purse.release(let_go, Timestamp(1_300)).unwrap();
    assert_eq!(last_entries(&purse, 1), [(-40, 580)]);
    assert_eq!(buckets(&purse), [(2, 50, 0), (3, 30, 0), (4, 500, 0)]);
    assert_eq!(purse.fault(), None);
}

#[test]
fn a_reset_ends_what_is_left_of_earlier_grants_and_nothing_else() {
    let mut purse = filled();
    consume(&mut purse, 30).unwrap();
    purse.reset_plan(Credits(100), key(2), reason("grant"), NOW).unwrap();
    assert_eq!(last_entries(&purse, 2), [(-70, 80), (100, 180)]);
    assert_eq!(buckets(&purse), [(2, 50, 0), (3, 30, 0), (4, 100, 0)]);
    purse.reset_plan(Credits::ZERO, key(3), reason("grant"), NOW).unwrap();
    assert_eq!(
        buckets(&purse),
        [(2, 50, 0), (3, 30, 0)],
        "a plan that grants nothing leaves no bucket"
    );
}

#[test]
fn a_bucket_expires_at_its_end_and_not_before() {
    let mut purse = filled();
    assert_eq!(purse.due(), Some(Timestamp(2_000)));
    purse.expire(Timestamp(1_999)).unwrap();
    assert_eq!(purse.head.balance, Credits(180));
    // Whoever comes before the sweep draws nothing from it all the same.
    assert_eq!(
        purse.clone().consume(Credits(131), spent(), Timestamp(2_000)),
        Err(Refusal::InsufficientCredits)
    );
    purse.expire(Timestamp(2_000)).unwrap();
    assert_eq!((last_entries(&purse, 1), purse.due()), (vec![(-50, 130)], None));
}

#[test]
fn nothing_is_a_debit_of_nothing_or_less() {
    let mut purse = filled();
    let number = hold(&mut purse, 10);
    let before = purse.clone();
    for amount in [0, -1, i64::MIN] {
        let amount = Credits(amount);
        assert_eq!(purse.consume(amount, spent(), NOW), Err(Refusal::Internal));
        assert_eq!(purse.confirm(number, amount, spent(), NOW), Err(Refusal::Internal));
        assert_eq!(
            purse.hold(amount, NOW, String::new(), "{}".into(), NOW),
            Err(Refusal::Internal)
        );
        assert_eq!(
            purse.add(BucketKind::Bonus, amount, None, reason("x")),
            Err(Refusal::Internal)
        );
    }
    assert_eq!(
        purse.add(BucketKind::Bonus, Credits(i64::MAX), None, reason("x")),
        Err(Refusal::Internal)
    );
    assert_eq!(purse, before);
}

#[test]
fn an_account_has_room_for_a_thousand_open_holds() {
    let mut purse = Purse::default();
    purse
        .add(BucketKind::Bonus, Credits(2_000), None, reason("bonus"))
        .unwrap();
    for _ in 0..MAX_OPEN_HOLDS {
        hold(&mut purse, 1);
    }
    let one_more = |purse: &mut Purse| purse.hold(Credits(1), NOW, String::new(), "{}".into(), NOW);
    assert_eq!(one_more(&mut purse), Err(Refusal::TooManyHolds));
    purse.release(500, NOW).unwrap();
    assert_eq!(one_more(&mut purse), Ok(1_001));
}

#[test]
fn words_are_read_back() {
    for kind in BucketKind::ALL {
        assert_eq!(BucketKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(BucketKind::parse("gift"), None);
}

/// What can happen to a purse.
#[derive(Clone, Debug)]
enum Step {
    Add(BucketKind, i64, Option<i64>),
    Reset(i64),
    Consume(i64),
    Hold(i64, i64),
    /// Which of the holds there have been, and how much.
    Confirm(usize, i64),
    Release(usize),
    Wait(i64),
}

fn a_step() -> impl Strategy<Value = Step> {
    let kind = proptest::sample::select(&BucketKind::ALL[1..]);
    prop_oneof![
        2 => (kind, 1..200_i64, proptest::option::of(1..300_i64)).prop_map(|(kind, amount, end)| Step::Add(kind, amount, end)),
        1 => (0..300_i64).prop_map(Step::Reset),
        4 => (1..150_i64).prop_map(Step::Consume),
        4 => (1..100_i64, 1..200_i64).prop_map(|(amount, time)| Step::Hold(amount, time)),
        3 => (0..8_usize, 1..100_i64).prop_map(|(hold, amount)| Step::Confirm(hold, amount)),
        2 => (0..8_usize).prop_map(Step::Release),
        3 => (1..150_i64).prop_map(Step::Wait),
    ]
}

/// A purse that time has passed for up to `now`: each thing at its own instant.
fn pass(purse: &mut Purse, now: Timestamp) {
    while let Some(due) = purse.due().filter(|due| *due <= now) {
        purse.expire(due).unwrap();
    }
}

/// One of the last holds.
fn recent(purse: &Purse, back: usize) -> i64 {
    purse.hold_count - i64::try_from(back).unwrap()
}

fn take(purse: &mut Purse, step: &Step, now: Timestamp) -> Result<(), Refusal> {
    match *step {
        Step::Add(kind, amount, end) => {
            let end = end.map(|after| Timestamp(now.0 + after));
            purse.add(kind, Credits(amount), end, reason("more"))
        }
        Step::Reset(amount) => {
            let grant = key(i64::try_from(purse.journal.buckets.len()).unwrap() + 1);
            purse.reset_plan(Credits(amount), grant, reason("grant"), now)
        }
        Step::Consume(amount) => purse.consume(Credits(amount), spent(), now),
        Step::Hold(amount, time) => purse
            .hold(
                Credits(amount),
                Timestamp(now.0 + time),
                "held".into(),
                "{}".into(),
                now,
            )
            .map(drop),
        Step::Confirm(back, amount) => purse.confirm(recent(purse, back), Credits(amount), spent(), now),
        Step::Release(back) => purse.release(recent(purse, back), now),
        Step::Wait(_) => Ok(()),
    }
}

/// What must be true of every purse, whatever it went through since it was empty.
fn assert_sound(purse: &Purse) {
    assert_eq!(purse.fault(), None);
    let mut head = LedgerHead::default();
    for (movement, _) in &purse.journal.entries {
        head = crate::domain::ledger::follow(head, *movement).expect("each entry continues the one before it");
    }
    assert_eq!(head, purse.head, "the balance is the sum of the entries");
    assert!(purse.head.balance >= Credits::ZERO && purse.available() >= Credits::ZERO);
    assert_eq!(purse.available().0 + purse.held().0, purse.head.balance.0);
    let (open, ended) = (purse.holds.len(), purse.journal.ended_holds.len());
    assert_eq!(
        open + ended,
        purse.journal.holds.len(),
        "every hold is open or has ended, once"
    );
}

/// Nothing is drawn or held of a bucket while one that comes before it has anything left.
fn assert_in_order(before: &Purse, after: &Purse, now: Timestamp) {
    let free = |purse: &Purse, number: i64| {
        let bucket = purse.buckets.iter().find(|bucket| bucket.number == number);
        bucket.map_or(0, |bucket| bucket.free().0)
    };
    for later in &before.buckets {
        if free(after, later.number) == later.free().0 {
            continue;
        }
        assert!(!later.has_expired(now));
        for earlier in before
            .buckets
            .iter()
            .filter(|bucket| bucket.draw_order() < later.draw_order())
        {
            let left = if earlier.has_expired(now) {
                0
            } else {
                free(after, earlier.number)
            };
            assert_eq!(left, 0, "bucket {} before bucket {}", earlier.number, later.number);
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_to_a_purse_it_stays_sound(steps in proptest::collection::vec(a_step(), 1..60)) {
        let (mut purse, mut now) = (Purse::default(), NOW);
        for step in &steps {
            if let Step::Wait(time) = step {
                now = Timestamp(now.0 + time);
            }
            pass(&mut purse, now);
            assert!(purse.due().is_none_or(|due| due > now));
            let before = purse.clone();
            let can_be_drawn: i64 = before.buckets.iter().filter(|bucket| !bucket.has_expired(now)).map(|bucket| bucket.free().0).sum();
            match take(&mut purse, step, now) {
                Err(_) => prop_assert_eq!(&purse, &before, "what is refused changes nothing"),
                Ok(()) => match step {
                    Step::Consume(amount) => {
                        prop_assert_eq!(purse.head.balance.0, before.head.balance.0 - amount);
                        assert_in_order(&before, &purse, now);
                    }
                    Step::Hold(amount, _) => {
                        prop_assert_eq!(purse.head, before.head);
                        prop_assert_eq!(purse.held().0, before.held().0 + amount);
                        assert_in_order(&before, &purse, now);
                    }
                    Step::Confirm(_, amount) => {
                        let drawn = &purse.journal.entries[before.journal.entries.len()];
                        prop_assert_eq!(drawn.0.amount, Credits(-amount));
                    }
                    Step::Add(..) | Step::Reset(_) | Step::Release(_) | Step::Wait(_) => {}
                },
            }
            if let Step::Consume(amount) | Step::Hold(amount, _) = step {
                prop_assert_eq!(purse != before, *amount <= can_be_drawn, "it succeeds exactly where there is enough");
            }
            assert_sound(&purse);
        }
    }

    /// What a sweep does late, all at once, it also does bit by bit.
    #[test]
    fn how_often_time_is_let_pass_makes_no_difference(
        steps in proptest::collection::vec(a_step(), 1..30),
        ticks in proptest::collection::vec(1..60_i64, 1..20),
    ) {
        let mut purse = Purse::default();
        for step in &steps {
            // A refusal is as good as anything here.
            let _refused = take(&mut purse, step, NOW);
        }
        let (mut often, mut now) = (purse.clone(), NOW);
        for tick in ticks {
            now = Timestamp(now.0 + tick);
            pass(&mut often, now);
        }
        pass(&mut purse, now);
        prop_assert_eq!(often, purse);
    }
}
