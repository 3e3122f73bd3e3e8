use super::*;
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::messages::{KeyFacts, StandingFacts};
use igny8_contract::time::Timestamp;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A core that knows the keys of even hashes, counts what it is asked, and can fall silent.
#[derive(Debug, Default)]
struct Core {
    asked: AtomicUsize,
    silent: Lock<bool>,
    revoked: Lock<bool>,
}

#[async_trait]
impl KeyResolver for Core {
    async fn resolve(&self, query: &KeyQuery) -> Result<KeyAnswer, ClientError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Others get a turn: whoever asks for the same key meanwhile must wait.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        if *self.silent.lock().unwrap() {
            return Err(ClientError::Timeout);
        }
        let number = i64::from(u8::from_str_radix(&query.sha256[..2], 16).unwrap());
        let known = number % 2 == 0 && !*self.revoked.lock().unwrap();
        let key = known.then(|| KeyFacts {
            key_id: ApiKeyId(number),
            account_id: AccountId(1),
            user_id: UserId(2),
            role: AccountRole::Editor,
            expires_at_us: None,
            standing: StandingFacts {
                account: None,
                user: None,
                sid_active: true,
            },
            token: "token".into(),
            token_exp: i64::MAX,
        });
        Ok(KeyAnswer { key })
    }
}

#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Bench {
    keys: Keys,
    core: Arc<Core>,
    clock: Arc<HandClock>,
}

fn bench() -> Bench {
    let (core, clock) = (Arc::new(Core::default()), Arc::new(HandClock::default()));
    let resolver: Arc<dyn KeyResolver> = Arc::<Core>::clone(&core);
    Bench {
        keys: Keys::new(
            resolver,
            Duration::from_secs(300),
            Arc::<HandClock>::clone(&clock) as Arc<dyn Clock>,
        ),
        core,
        clock,
    }
}

impl Bench {
    fn wait(&self, millis: u64) {
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// As the gate does: what is fresh, else core's word.
    async fn use_key(&self, hash: &KeyHash) -> &'static str {
        let word = match self.keys.fresh(hash, self.clock.elapsed()) {
            Fresh::Known(known) => Word::Said(known),
            Fresh::Due | Fresh::Cold => self.keys.ask(hash).await,
        };
        match word {
            Word::Said(Known::Granted(_)) => "granted",
            Word::Said(Known::Refused) => "refused",
            Word::Old(..) => "old",
            Word::Nothing => "silent",
        }
    }

    fn asked(&self) -> usize {
        self.core.asked.load(Ordering::SeqCst)
    }
}

const KNOWN: KeyHash = [2; 32];
const UNKNOWN: KeyHash = [3; 32];

#[tokio::test]
async fn however_many_use_a_key_core_is_asked_once_in_its_time() {
    let bench = bench();
    for (hash, word) in [(KNOWN, "granted"), (UNKNOWN, "refused")] {
        let before = bench.asked();
        let mut answers = Vec::new();
        let uses = (0..50).map(|_| bench.use_key(&hash));
        for answer in futures(uses).await {
            answers.push(answer);
        }
        assert_eq!(answers, vec![word; 50]);
        assert_eq!(bench.asked(), before + 1);
        bench.wait(699);
        assert_eq!((bench.use_key(&hash).await, bench.asked()), (word, before + 1));
        bench.wait(1);
        assert_eq!((bench.use_key(&hash).await, bench.asked()), (word, before + 2));
    }
}

/// Lets futures run side by side.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if pending.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_known_key_is_asked_about_again_for_nothing_and_an_unknown_one_is_cold() {
    let bench = bench();
    assert!(matches!(bench.keys.fresh(&KNOWN, bench.clock.elapsed()), Fresh::Cold));
    for hash in [KNOWN, UNKNOWN] {
        bench.use_key(&hash).await;
    }
    bench.wait(700);
    assert!(matches!(bench.keys.fresh(&KNOWN, bench.clock.elapsed()), Fresh::Due));
    assert!(matches!(bench.keys.fresh(&UNKNOWN, bench.clock.elapsed()), Fresh::Cold));
    bench.wait(300_000);
    assert!(matches!(bench.keys.fresh(&KNOWN, bench.clock.elapsed()), Fresh::Cold));
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_its_time_and_at_once_when_it_is_evicted() {
    let bench = bench();
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
    *bench.core.revoked.lock().unwrap() = true;
    bench.wait(699);
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
    bench.wait(1);
    assert_eq!(bench.use_key(&KNOWN).await, "refused");

    *bench.core.revoked.lock().unwrap() = false;
    bench.wait(700);
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
    *bench.core.revoked.lock().unwrap() = true;
    bench.keys.forget(&"ab".repeat(32));
    assert_eq!(bench.use_key(&KNOWN).await, "granted", "another key was evicted");
    bench.keys.forget(&query(&KNOWN).sha256);
    assert_eq!(bench.use_key(&KNOWN).await, "refused");
    *bench.core.revoked.lock().unwrap() = false;
    bench.keys.forget_all();
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
}

#[tokio::test]
async fn while_core_is_silent_known_keys_serve_for_a_while_and_nobody_else_does() {
    let bench = bench();
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
    *bench.core.silent.lock().unwrap() = true;
    bench.wait(700);
    assert_eq!(bench.use_key(&KNOWN).await, "old");
    let asked = bench.asked();
    assert_eq!(bench.use_key(&[4; 32]).await, "silent");
    assert_eq!(bench.asked(), asked, "core is left in peace for a moment");
    assert_eq!(
        bench.keys.copies.len(),
        1,
        "nothing is kept of a key that nobody has answered for"
    );
    bench.wait(299_299);
    assert_eq!(bench.use_key(&KNOWN).await, "old");
    bench.wait(1);
    assert_eq!(bench.use_key(&KNOWN).await, "silent");
    *bench.core.silent.lock().unwrap() = false;
    bench.wait(250);
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
}

#[tokio::test]
async fn made_up_keys_take_no_room_from_real_ones_and_go_with_the_sweep() {
    let bench = bench();
    assert_eq!(bench.use_key(&KNOWN).await, "granted");
    for number in 0..MAX_UNKNOWN + 50 {
        let mut hash = UNKNOWN;
        hash[1..9].copy_from_slice(&number.to_be_bytes());
        assert_eq!(bench.use_key(&hash).await, "refused");
    }
    assert_eq!((bench.keys.copies.len(), bench.keys.unknown.len()), (1, MAX_UNKNOWN));
    bench.wait(700);
    bench.keys.sweep();
    assert_eq!((bench.keys.copies.len(), bench.keys.unknown.len()), (1, 0));
    bench.wait(300_000);
    bench.keys.sweep();
    assert_eq!(bench.keys.copies.len(), 0);
}

#[test]
fn neither_a_grant_nor_a_question_prints_a_secret() {
    let facts = KeyFacts {
        key_id: ApiKeyId(1),
        account_id: AccountId(1),
        user_id: UserId(1),
        role: AccountRole::Owner,
        expires_at_us: None,
        standing: StandingFacts {
            account: None,
            user: None,
            sid_active: true,
        },
        token: "s3cret".into(),
        token_exp: 0,
    };
    let answer = KeyAnswer {
        key: Some(facts.clone()),
    };
    assert!(!format!("{answer:?} {:?}", Grant::of(KNOWN, facts)).contains("s3cret"));
}
