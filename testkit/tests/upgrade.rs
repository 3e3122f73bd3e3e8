//! `igny8-proxy serve --upgrade`: a new proxy in the place of the one that runs, and no client notices.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::echo::Echo;
use igny8_testkit::http::get;
use igny8_testkit::process::Child;
use igny8_testkit::raw::{Connection, ReadError};
use igny8_testkit::stack::{App, Member, Stack};
use igny8_testkit::wait::wait_until;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// For whatever has to happen soon on a machine that does other things beside.
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers that count as steady load.
const STEADY: u64 = 300;

fn stack(echo: &Echo) -> Stack {
    Stack::builder()
        .app(App::At(echo.address().to_owned()))
        .proxy(|file| {
            set(file, "server.grace_seconds", 20);
        })
        .start()
}

/// A proxy that is to take the place of the one that runs.
fn successor(stack: &Stack, log: &str) -> Child {
    begin(stack, &stack.proxy_command(0, &["serve", "--upgrade"]), log)
}

fn begin(stack: &Stack, command: &Command, log: &str) -> Child {
    Child::start("igny8-proxy", command, &stack.var.join(format!("log/{log}.log")))
}

/// Waits until a proxy that cannot take the sockets over has ended; its exit code and what it said.
fn end_of(mut proxy: Child) -> (Option<i32>, String) {
    let status = wait_until("a proxy to give up", PATIENCE, || proxy.ended());
    (status.code(), proxy.log_tail())
}

fn block(member: &Member, fields: &str) -> String {
    format!(
        "GET /api/v1/whoami/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{fields}\r\n",
        member.access
    )
}

/// Requests without a pause from several threads, half of them on connections that are kept.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(stack: &Stack, member: &Member) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = ["", "", "Connection: close\r\n", "Connection: close\r\n"]
            .into_iter()
            .map(|fields| {
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                let (address, request) = (stack.public.clone(), block(member, fields));
                std::thread::spawn(move || {
                    let mut faults = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        if let Err(fault) = converse(&address, &request, &stop, &answered) {
                            faults.push(fault);
                        }
                    }
                    faults
                })
            })
            .collect();
        Self {
            stop,
            answered,
            threads,
        }
    }

    /// Waits until as many more requests have been answered as make a steady load.
    fn goes_on(&self) {
        let goal = self.answered.load(Ordering::Relaxed) + STEADY;
        wait_until("answers", PATIENCE, || {
            (self.answered.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// What went wrong.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    }
}

/// Sends requests on one connection until the proxy says that it closes it.
fn converse(address: &str, request: &str, stop: &AtomicBool, answered: &AtomicU64) -> Result<(), String> {
    let mut connection = Connection::open(address).map_err(|error| format!("no connection: {error}"))?;
    let mut before = 0;
    while !stop.load(Ordering::Relaxed) {
        connection
            .send(request.as_bytes())
            .map_err(|error| format!("not sent after {before} answers: {error}"))?;
        let answer = connection
            .read_response(PATIENCE)
            .map_err(|error| format!("no answer after {before}: {error:?}"))?;
        if answer.status != 200 {
            return Err(format!("{} after {before} answers: {}", answer.status, answer.text()));
        }
        before += 1;
        answered.fetch_add(1, Ordering::Relaxed);
        if answer
            .field("Connection")
            .is_some_and(|said| said.eq_ignore_ascii_case("close"))
        {
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn a_proxy_is_replaced_twice_under_load_and_no_request_fails() {
    let echo = Echo::start();
    let stack = stack(&echo);
    let member = stack.sign_up();
    let load = Load::start(&stack, &member);
    load.goes_on();
    let mut old = stack.take_proxy();
    for round in 0..2 {
        // How other servers are asked for an upgrade; here it must not end anything.
        old.signal("QUIT");
        let mut new = successor(&stack, &format!("successor-{round}"));
        let ended = new.wait_until("the old proxy to end", PATIENCE, || old.ended());
        assert!(ended.success(), "{ended}: {}", old.log_tail());
        // Nobody but the new one is there to answer these.
        load.goes_on();
        assert_eq!(get(&stack.ops, "/readyz").send().status, 200);
        assert!(new.ended().is_none());
        old = new;
    }
    let faults = load.end();
    assert!(faults.is_empty(), "{} requests failed: {:#?}", faults.len(), faults);
    assert!(old.stop().is_some_and(|status| status.success()));
}

#[test]
fn the_old_proxy_finishes_what_was_under_way_and_answers_whoever_was_connected() {
    let echo = Echo::start();
    let stack = stack(&echo);
    let member = stack.sign_up();
    let mut sending = Connection::open(&stack.public).unwrap();
    let mut post = block(&member, "Content-Length: 4\r\n").replacen("GET", "POST", 1);
    let _infallible = post.write_str("ab");
    sending.send(post.as_bytes()).unwrap();
    let mut idle = Connection::open(&stack.public).unwrap();
    idle.send(block(&member, "").as_bytes()).unwrap();
    assert_eq!(idle.read_response(PATIENCE).unwrap().status, 200);
    let mut silent = Connection::open(&stack.public).unwrap();
    // Connections are accepted in their order: with an answer to a later one, the silent one is the old proxy's.
    assert_eq!(get(&stack.public, "/healthz").send().status, 200);

    let mut old = stack.take_proxy();
    let mut new = successor(&stack, "successor");
    wait_until("the takeover", PATIENCE, || {
        new.log().contains("the sockets were taken over").then_some(())
    });
    wait_until("the old proxy to drain", PATIENCE, || {
        old.log().contains("draining").then_some(())
    });
    sending.send(b"cd").unwrap();
    for connection in [&mut idle, &mut silent] {
        connection.send(block(&member, "").as_bytes()).unwrap();
    }
    for mut connection in [sending, idle, silent] {
        let answer = connection.read_response(PATIENCE).unwrap();
        assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")));
        assert!(matches!(connection.read_response(PATIENCE), Err(ReadError::Closed)));
    }
    let ended = wait_until("the old proxy to end", PATIENCE, || old.ended());
    assert!(ended.success(), "{ended}");
    assert!(new.ended().is_none());
}

#[test]
fn a_new_proxy_that_does_not_get_ready_leaves_the_old_one_at_work() {
    let echo = Echo::start();
    let stack = stack(&echo);
    let mut old = stack.take_proxy();
    stack.kill_core();
    let mut stuck = successor(&stack, "stuck");
    stuck.wait_until("a proxy that waits for core", PATIENCE, || {
        std::fs::read_to_string(stack.var.join("log/stuck.log"))
            .ok()
            .filter(|log| log.contains("the key set could not be fetched"))
    });
    assert_eq!(stack.get("/healthz").send().status, 200);
    let (code, said) = end_of(successor(&stack, "second"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another upgrade is under way"), "{said}");
    stuck.kill();
    assert_eq!(stack.get("/healthz").send().status, 200);
    assert!(old.ended().is_none(), "{}", old.log_tail());

    stack.start_core();
    let mut third = successor(&stack, "third");
    let ended = third.wait_until("the old proxy to end", PATIENCE, || old.ended());
    assert!(ended.success(), "{ended}");
}

#[test]
fn an_upgrade_of_nothing_of_other_addresses_or_of_another_user_is_refused_in_a_sentence() {
    let echo = Echo::start();
    let stack = stack(&echo);
    let mut elsewhere = stack.proxy_command(0, &["serve", "--upgrade"]);
    elsewhere.env("IGNY8_PROXY__LISTEN__PUBLIC", "127.0.0.1:1");
    let (code, said) = end_of(begin(&stack, &elsewhere, "elsewhere"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&stack.public) && said.contains("127.0.0.1:1"), "{said}");
    assert_eq!(stack.get("/healthz").send().status, 200);

    // Only root can become somebody else; others cannot try what is refused here.
    let is_root = igny8_testkit::process::run(Command::new("id").arg("-u")).trim() == "0";
    if is_root {
        let given = as_nobody(&stack, "ask");
        assert_eq!(given.trim(), "0 sockets");
    }
    stack.kill_proxy(0);
    let (code, said) = end_of(successor(&stack, "nothing"));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("no proxy runs here") && said.contains(&stack.ops),
        "{said}"
    );

    if is_root {
        let squatter = std::thread::scope(|scope| {
            let squatter = scope.spawn(|| as_nobody(&stack, "wait"));
            let refused = wait_until("the other user's socket", PATIENCE, || {
                let (code, said) = end_of(successor(&stack, "stranger"));
                assert_eq!(code, Some(1), "{said}");
                said.lines()
                    .last()
                    .filter(|last| last.contains("as another user"))
                    .map(str::to_owned)
            });
            assert!(refused.contains("uid 65534"), "{refused}");
            squatter.join().unwrap()
        });
        assert_eq!(squatter.trim(), "0 bytes");
    }
}

/// What somebody else meets at the place where proxies wait: asking there, or waiting there for a proxy to ask.
fn as_nobody(stack: &Stack, part: &str) -> String {
    let script = r#"
import array, socket, sys
place = "\0igny8-proxy/" + sys.argv[1]
line = socket.socket(socket.AF_UNIX)
if sys.argv[2] == "ask":
    line.connect(place)
    line.settimeout(20)
    try:
        line.sendall(b"take-1\r\n")
        _, given, _, _ = line.recvmsg(64, 1024)
    except ConnectionError:
        given = []
    print(len(given), "sockets")
else:
    line.bind(place)
    line.listen()
    print(len(line.accept()[0].recv(64)), "bytes")
"#;
    igny8_testkit::process::run(
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .args(["python3", "-c", script, &stack.ops, part])
            // Nobody may enter the folders of whoever runs this test.
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/"),
    )
}
