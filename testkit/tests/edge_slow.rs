//! Slow and rude clients at the real proxy: each is cut off in its time, and good traffic goes on beside them.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::echo::Echo;
use igny8_testkit::edge::add_route;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::raw::Connection;
use igny8_testkit::stack::{App, Builder, Stack};
use igny8_testkit::wait::{Deadline, wait_until};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A connection may wait for the machine, but not for ever.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a large answer holds: more than all buffers on the way together.
const LARGE: usize = 24 * 1024 * 1024;

/// An app that reads a request's head and answers by its path: `/large` with 24 MiB, `/drip` with a byte now and then,
/// `/poll` after two seconds, anything else with `ok`; to POST, when the connection has ended. It ends when the flag is set.
struct DumbApp {
    stop: Arc<AtomicBool>,
}

impl DumbApp {
    fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((connection, _)) => {
                        let stopped = Arc::clone(&stopped);
                        thread::spawn(move || drop(answer(connection, &stopped)));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { stop }
    }
}

impl Drop for DumbApp {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn answer(mut connection: TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
    connection.set_nonblocking(false)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    while text.starts_with("POST ") && connection.read(&mut buffer)? > 0 {}
    match path {
        "/large" | "/stream/large" => {
            write!(
                connection,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {LARGE}\r\n\r\n"
            )?;
            let part = vec![b'x'; 64 * 1024];
            for _ in 0..LARGE / part.len() {
                connection.write_all(&part)?;
            }
        }
        "/drip" | "/stream/drip" => {
            write!(
                connection,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
            )?;
            for _ in 0..30 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                connection.write_all(b"data: x\n\n")?;
                thread::sleep(Duration::from_millis(150));
            }
        }
        "/poll" | "/stream/poll" => {
            thread::sleep(Duration::from_millis(2_000));
            connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?;
        }
        _ => connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?,
    }
    connection.shutdown(Shutdown::Write)?;
    while connection.read(&mut buffer)? > 0 {}
    Ok(())
}

fn quick(builder: Builder) -> Builder {
    builder.proxy(|proxy| {
        for (key, value) in [
            ("server.header_timeout", "1s"),
            ("server.body_timeout", "1s"),
            ("server.send_timeout", "1s"),
            ("server.keepalive_timeout", "3s"),
            ("upstream.app.read_timeout", "1s"),
            ("upstream.app.total_timeout", "2s"),
        ] {
            set(proxy, key, value);
        }
        set(proxy, "server.min_body_rate", 1_000);
        add_route(
            proxy,
            "prefix = \"/stream\"\nkind = \"page\"\nupstream = \"app\"\nstream = true",
        );
    })
}

struct Edge {
    stack: Stack,
    app: String,
    dumb: Option<DumbApp>,
    _ports: PortBlock,
}

fn start() -> Edge {
    let ports = PortBlock::claim();
    let app = ports.address(0);
    let dumb = DumbApp::start(&app);
    Edge {
        stack: quick(Stack::builder().app(App::At(app.clone()))).start(),
        app,
        dumb: Some(dumb),
        _ports: ports,
    }
}

/// Sends these bytes and then one more every tenth of a second, and gives back what comes until the connection ends.
fn trickle(address: &str, head: &str, rest: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    connection.write_all(head.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    let deadline = Deadline::after(PATIENCE);
    let mut bytes = rest.iter().cycle();
    while deadline.remaining().is_some() {
        match connection.read(&mut buffer) {
            Ok(0) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if let Some(byte) = bytes.next()
                    && answer.is_empty()
                    && connection.write_all(&[*byte]).is_err()
                {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_slow_header_block_and_a_slow_body_are_cut_off() {
    let edge = start();
    let host = &edge.stack.public;
    let header = trickle(host, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Slow: "), b"a");
    assert!(header.starts_with("HTTP/1.1 408 "), "{header}");
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let head = format!("POST /x HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{framing}\r\n\r\n");
        let start = if framing.starts_with('T') { "186a0\r\n" } else { "" };
        let body = trickle(host, &format!("{head}{start}"), b"a");
        assert!(body.starts_with("HTTP/1.1 408 "), "{framing}: {body}");
        assert!(body.contains("request_timeout"), "{body}");
        let silent = trickle(host, &format!("{head}{start}"), b"");
        assert!(silent.starts_with("HTTP/1.1 408 "), "{framing}: {silent}");
    }
    assert_eq!(edge.stack.get("/").send().status, 200);
}

#[test]
fn a_reader_that_does_not_read_is_cut_off() {
    let edge = start();
    let mut connection = Connection::open(&edge.stack.public).unwrap();
    let request = format!("GET /large HTTP/1.1\r\nHost: {}\r\n\r\n", edge.stack.public);
    connection.send(request.as_bytes()).unwrap();
    wait_until("the access log to say that the request is over", PATIENCE, || {
        edge.stack.proxy_log().contains("\"path\":\"/large\"").then_some(())
    });
    let received = connection.read_to_end(PATIENCE).unwrap_or_default();
    assert!(
        received.len() < LARGE,
        "all of it was sent to somebody who did not read"
    );
}

#[test]
fn a_stream_outlives_the_total_timeout_and_nothing_else_does() {
    let edge = start();
    let read = |path: &str| {
        let mut connection = Connection::open(&edge.stack.public).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            edge.stack.public
        );
        connection.send(request.as_bytes()).unwrap();
        let all = connection.read_to_end(PATIENCE).unwrap_or_default();
        String::from_utf8_lossy(&all).into_owned()
    };
    assert_eq!(read("/stream/drip").matches("data: x").count(), 30);
    let cut = read("/drip").matches("data: x").count();
    assert!((1..30).contains(&cut), "{cut} events came without `stream`");
    assert!(read("/stream/poll").starts_with("HTTP/1.1 200 "));
    assert!(read("/poll").starts_with("HTTP/1.1 504 "));
}

#[test]
fn the_total_timeout_holds_before_the_answer_begins_and_while_a_body_is_sent() {
    let ports = PortBlock::claim();
    let app = ports.address(0);
    let _dumb = DumbApp::start(&app);
    let stack = quick(Stack::builder().app(App::At(app)))
        .proxy(|proxy| {
            for (key, value) in [
                ("server.body_timeout", "20s"),
                ("upstream.app.read_timeout", "20s"),
                ("upstream.app.total_timeout", "1s"),
            ] {
                set(proxy, key, value);
            }
        })
        .start();
    let host = &stack.public;
    let refused = |told: &str| {
        assert!(told.starts_with("HTTP/1.1 504 "), "{told}");
        assert!(told.contains("upstream_timeout"), "{told}");
    };
    // The app answers `/poll` after two seconds, and a POST never.
    let line = |line: &str, more: &str| {
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n{more}\r\n")
    };
    refused(&trickle(host, &line("GET /poll", ""), b""));
    refused(&trickle(host, &line("POST /x", "Content-Length: 5\r\n"), b""));
    let asked = Deadline::after(PATIENCE);
    refused(&trickle(host, &line("POST /x", "Content-Length: 100000\r\n"), b"a"));
    refused(&trickle(
        host,
        &line("POST /x", "Transfer-Encoding: chunked\r\n"),
        b"1\r\na\r\n",
    ));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(trickle(host, &line("GET /stream/poll", ""), b"").starts_with("HTTP/1.1 200 "));
    assert!(trickle(host, &line("GET /x", ""), b"").starts_with("HTTP/1.1 200 "));
}

/// How much memory the proxy holds, in KiB.
fn resident(stack: &Stack) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.proxy_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Opens a connection that behaves badly in the `kind`-th way.
fn misbehave(edge: &Edge, kind: usize) -> Option<TcpStream> {
    let host = &edge.stack.public;
    let mut connection = TcpStream::connect(host).ok()?;
    connection.set_nonblocking(false).ok()?;
    let block = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    match kind % 6 {
        // A reader that does not read.
        0 => connection.write_all(block("GET /large", "").as_bytes()).ok()?,
        // A header block and a body that never end.
        1 => connection.write_all(b"GET / HTTP/1.1\r\nX-Sl").ok()?,
        2 => connection
            .write_all(block("POST /x", "Content-Length: 9999\r\n").as_bytes())
            .ok()?,
        // Half of a connection closed, before an answer and in the middle of a request.
        3 => {
            connection.write_all(block("GET /x", "").as_bytes()).ok()?;
            connection.shutdown(Shutdown::Write).ok()?;
        }
        4 => {
            connection.write_all(b"GET /x HTTP/1.1\r\n").ok()?;
            connection.shutdown(Shutdown::Write).ok()?;
        }
        // Gone with an answer on its way: closed with bytes unread, it is reset.
        _ => {
            connection.write_all(block("GET /stream/drip", "").as_bytes()).ok()?;
            return None;
        }
    }
    Some(connection)
}

/// The 99th percentile.
fn slowest_but_one_of_a_hundred(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[test]
fn good_traffic_goes_on_beside_rude_connections_and_memory_does_not_grow() {
    let long = std::env::var_os("IGNY8_TEST_LONG").is_some();
    let (count, rounds) = if long { (2_000, 10) } else { (300, 4) };
    let mut edge = start();
    let mut after = Vec::new();
    let good = |edge: &Edge| {
        let asked = Deadline::after(PATIENCE);
        let answer = edge.stack.get("/good").patience(Duration::from_secs(5)).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        asked.elapsed()
    };
    let calm = slowest_but_one_of_a_hundred((0..200).map(|_| good(&edge)).collect());
    let mut beside = Vec::new();
    for _ in 0..rounds {
        // They come in twenty waves, and good requests all the while.
        let mut held = Vec::new();
        for wave in 0..20 {
            let kinds = wave * count / 20..(wave + 1) * count / 20;
            held.extend(kinds.map(|kind| misbehave(&edge, kind)));
            beside.extend((0..10).map(|_| good(&edge)));
        }
        // The app goes and comes back in the middle of it all.
        edge.dumb = None;
        wait_until("the app to be gone", PATIENCE, || {
            let gone = edge.stack.get("/good").send().status == 502;
            gone.then_some(())
        });
        edge.dumb = Some(DumbApp::start(&edge.app));
        wait_until("the app to be back", PATIENCE, || {
            (edge.stack.get("/good").send().status == 200).then_some(())
        });
        drop(held);
        after.push(resident(&edge.stack));
    }
    // Generous: a busy machine makes everybody slow, but whoever waits for a rude client waits for whole timeouts.
    let beside = slowest_but_one_of_a_hundred(beside);
    assert!(
        beside < calm * 20 + Duration::from_millis(500),
        "the 99th percentile of good requests: {calm:?} alone, {beside:?} beside {count} rude connections"
    );
    let (first, last) = (after[0], after[after.len() - 1]);
    assert!(
        last < first + first / 2 + 16 * 1024,
        "resident memory by round, in KiB: {after:?}"
    );
    wait_until("every connection to be over", PATIENCE, || {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", edge.stack.proxy_id()))
            .unwrap()
            .count();
        (fds < 100).then_some(())
    });
}

/// One request of many on a kept-alive connection: pages, refusals of every kind, sessions and tokens that nobody has had.
fn nth_request(number: usize, host: &str) -> String {
    let (target, fields) = match number % 8 {
        0 => (format!("/page-{number}"), String::new()),
        1 => (
            format!("/page?q={number}"),
            format!("Cookie: sessionid=stranger-{number}; a=1\r\n"),
        ),
        2 => (format!("/api/v1/x/{number}"), String::new()),
        3 => (
            "/api/v1/x".to_owned(),
            format!("Authorization: Bearer a.{number}.c\r\n"),
        ),
        4 => ("/api/v1/x".to_owned(), format!("X-Api-Key: igk_{number}\r\n")),
        5 => (
            format!("/page-{number}"),
            format!("X-Forwarded-For: 10.0.0.1\r\nX-Request-Id: {number}\r\nX-A: {number}\r\n"),
        ),
        6 => (
            format!("/admin/{number}"),
            format!("Cookie: sessionid=stranger-{number}\r\n"),
        ),
        _ => (format!("/%70age-{number}"), "Accept: application/json\r\n".to_owned()),
    };
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
}

/// Sends requests `from..until` one after the other, on one connection for as long as that is kept.
fn send_many(host: &str, from: usize, until: usize) {
    let mut connection = Connection::open(host).unwrap();
    for number in from..until {
        let sent = connection.send(nth_request(number, host).as_bytes());
        let answer = sent.ok().and_then(|()| connection.read_response(PATIENCE).ok());
        let kept = answer.is_some_and(|answer| {
            assert!(
                (200..500).contains(&answer.status),
                "{} to request {number}",
                answer.status
            );
            answer.field("Connection") != Some("close")
        });
        if !kept {
            connection = Connection::open(host).unwrap();
        }
    }
}

#[test]
fn memory_stays_flat_over_many_requests() {
    let long = std::env::var_os("IGNY8_TEST_LONG").is_some();
    let many = if long { 1_000_000 } else { 16_000 };
    let app = Echo::start();
    let stack = Stack::builder().app(App::At(app.address().to_owned())).start();
    let mut after = Vec::new();
    let rounds = 10;
    for round in 0..rounds {
        let first = round * (many / rounds);
        let share = many / rounds / 8;
        thread::scope(|scope| {
            for sender in 0..8 {
                let host = stack.public.as_str();
                scope.spawn(move || send_many(host, first + sender * share, first + (sender + 1) * share));
            }
        });
        after.push(resident(&stack));
    }
    // What is remembered (sessions, keys and tokens that are not known) has its bounds; the second round is the measure.
    let (early, last) = (after[1], after[rounds - 1]);
    assert!(
        last < early + early / 4 + 24 * 1024,
        "resident memory by tenths of {many} requests, in KiB: {after:?}"
    );
}
