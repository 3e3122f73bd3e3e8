//! The signing key is changed while everybody works: no request fails of it, and what a retired key signed is worthless.
//!
//! A new key signs half a minute after it was made. When that was stands in the name of its file, so the test lets time pass
//! by giving files other names.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::echo::Echo;
use igny8_testkit::http::{get, post};
use igny8_testkit::process::run;
use igny8_testkit::stack::{App, Member, PASSWORD, Stack, new_address};
use igny8_testkit::wait::{Deadline, wait_until};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// How often the key is changed.
const ROTATIONS: usize = 3;
/// How long the work may go on at most: a rotation takes some seconds.
const LONGEST: Duration = Duration::from_secs(90);
/// How long ago a key was made that begins to sign in a few seconds, so that verifiers meet it before.
const ALMOST_HALF_A_MINUTE: Duration = Duration::from_secs(26);
/// How much older every key becomes in the end.
const HOURS: Duration = Duration::from_secs(4 * 3600);

/// The folder of the signing keys, one file for each, named by when it was made in microseconds and by the key.
struct Keys(PathBuf);

impl Keys {
    /// When each was made and what it is called, oldest first.
    fn all(&self) -> Vec<(u128, String)> {
        let names = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut keys: Vec<(u128, String)> = names
            .filter_map(|name| {
                let name = name.to_str().unwrap().strip_suffix(".pk8")?.to_owned();
                let (made, kid) = name.split_once('-').unwrap();
                Some((made.parse().unwrap(), kid.to_owned()))
            })
            .collect();
        keys.sort();
        keys
    }

    fn newest(&self) -> (u128, String) {
        self.all().pop().unwrap()
    }

    /// Makes it as if a key had been made earlier by so much.
    fn age(&self, (made, kid): &(u128, String), by: Duration) {
        let file = |made: u128| self.0.join(format!("{made}-{kid}.pk8"));
        std::fs::rename(file(*made), file(made - by.as_micros())).unwrap();
    }
}

/// The head of a token. It names the key that signed it, and nothing else in it ever changes.
fn head(token: &str) -> String {
    token.split('.').next().unwrap().to_owned()
}

/// The heads of tokens in the order in which they were first seen, and the newest token of the last of them.
struct Newest {
    heads: Vec<String>,
    token: String,
}

impl Newest {
    fn of(token: &str) -> Self {
        Self {
            heads: vec![head(token)],
            token: token.to_owned(),
        }
    }

    /// Takes note of a token. One of an older key, which somebody else may still have got, changes nothing.
    fn note(&mut self, token: &str) {
        let head = head(token);
        if !self.heads.contains(&head) {
            self.heads.push(head.clone());
        }
        if self.heads.last() == Some(&head) {
            token.clone_into(&mut self.token);
        }
    }
}

fn ask(stack: &Stack, access: &str) -> u16 {
    get(&stack.public, "/api/v1/whoami/").bearer(access).send().status
}

/// Signs somebody up and goes on signing them in anew, and asks with each token several times; until told to stop.
fn work(stack: &Stack, stop: &AtomicBool, asked: &AtomicUsize, newest: &Mutex<Newest>) {
    let body = json!({"email": new_address(), "password": PASSWORD, "refresh_delivery": "body"});
    let mut pair = post(&stack.public, "/api/v1/auth/register/").json(&body).send();
    assert_eq!(pair.status, 201, "{}", pair.text());
    let deadline = Deadline::after(LONGEST);
    while !stop.load(Ordering::Acquire) {
        assert!(deadline.remaining().is_some(), "the work takes too long");
        let data = pair.json()["data"].clone();
        let access = data["access"].as_str().unwrap();
        for _ in 0..20 {
            let answer = get(&stack.public, "/api/v1/whoami/").bearer(access).send();
            assert_eq!(answer.status, 200, "{}", answer.text());
            asked.fetch_add(1, Ordering::Relaxed);
        }
        newest.lock().unwrap().note(access);
        pair = post(&stack.public, "/api/v1/auth/refresh/")
            .json(&json!({"refresh": data["refresh"]}))
            .send();
        assert_eq!(pair.status, 200, "{}", pair.text());
    }
}

/// Changes the key, and waits until the new one signs.
fn rotate(stack: &Stack, keys: &Keys, newest: &Mutex<Newest>) {
    let before = newest.lock().unwrap().heads.len();
    run(&mut stack.core_command(&["keys", "rotate"]));
    let made = keys.newest();
    // Core has told of the key before its time comes.
    wait_until("the key to be published", PATIENCE, || {
        let set = get(&stack.internal, "/.well-known/jwks.json").send().text();
        set.contains(&made.1).then_some(())
    });
    keys.age(&made, ALMOST_HALF_A_MINUTE);
    wait_until("the key to sign", PATIENCE, || {
        (newest.lock().unwrap().heads.len() > before).then_some(())
    });
}

#[test]
fn the_signing_key_changes_under_load_without_one_failed_request() {
    let app = Echo::start();
    let stack = Stack::builder().app(App::At(app.address().to_owned())).start();
    let keys = Keys(stack.var.join("keys"));
    let (made, first) = keys.newest();
    // It has signed for long: those that come after it stay the younger ones.
    keys.age(&(made, first.clone()), HOURS);
    let (early, unseen): (Member, Member) = (stack.sign_up(), stack.sign_up());
    let (stop, asked, newest) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        Mutex::new(Newest::of(&early.access)),
    );
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| work(&stack, &stop, &asked, &newest)))
            .collect();
        for _ in 0..ROTATIONS {
            if workers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
            rotate(&stack, &keys, &newest);
            assert_eq!(ask(&stack, &early.access), 200, "a token is good until it runs out");
        }
        stop.store(true, Ordering::Release);
        for worker in workers {
            worker.join().unwrap();
        }
    });
    assert_eq!(keys.all().len(), 1 + ROTATIONS);
    println!(
        "{} requests while the key changed {ROTATIONS} times",
        asked.load(Ordering::Relaxed)
    );

    // Long after that, a token of the first key turns up that the proxy has never seen.
    for key in keys.all() {
        keys.age(&key, HOURS);
    }
    wait_until("the first key to be retired", PATIENCE, || {
        let set = get(&stack.internal, "/.well-known/jwks.json").send().text();
        (!set.contains(&first)).then_some(())
    });
    wait_until("its tokens to be refused", PATIENCE, || {
        let answer = get(&stack.public, "/api/v1/whoami/").bearer(&unseen.access).send();
        (answer.status == 401).then(|| assert_eq!(answer.code(), "token_invalid"))
    });
    assert_eq!(ask(&stack, &newest.lock().unwrap().token), 200, "others go on");
}
