//! HTTP/2 frames that no library would write, at the real proxy: byte by byte, before the app that only looks.
//!
//! Each connection ends in a clean error or a refusal, or its request arrives as the rules meant it; no session reaches the
//! app, memory is bounded, and a good client beside it is served throughout. What HTTP/2 says wrongly in whole fields is in
//! `edge_http2.rs`.

use igny8_testkit::frames::rows::{Fate, Own, Row, rows};
use igny8_testkit::frames::{Heard, PREFACE, converse, field, flag, frame, hello, kind, request};
use igny8_testkit::hostile::witness::Record;
use igny8_testkit::watched::Watched;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The stack that the tests here share.
fn shared() -> &'static Watched {
    static WATCHED: OnceLock<Watched> = OnceLock::new();
    WATCHED.get_or_init(start)
}

fn start() -> Watched {
    Watched::start("frames.example", "4s")
}

/// Blocks for requests to it.
fn own(edge: &Watched) -> Own {
    Own {
        host: edge.stack.public.clone(),
    }
}

/// How much memory the proxy holds, in KiB.
fn resident_kib(edge: &Watched) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", edge.stack.proxy_id())).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// What is wrong with how one connection came out.
fn faults_of(row: &Row, heard: &Heard, records: &[Record], identity: &str) -> Vec<String> {
    let arrived: Vec<&Record> = records.iter().filter(|record| record.marker == row.mark).collect();
    let mut faults = Vec::new();
    if !heard.closed {
        faults.push("the connection stayed open".to_owned());
    }
    if arrived.len() > 1 {
        faults.push(format!("{} arrived", arrived.len()));
    }
    match row.fate {
        Fate::Refused if heard.served() || !arrived.is_empty() => faults.push("it was let through".to_owned()),
        Fate::Served if !heard.served() || arrived.len() != 1 => faults.push("it was not let through".to_owned()),
        Fate::Refused | Fate::Served | Fate::Harmless => {}
    }
    for record in arrived {
        let account = record.headers.get("x-account-id").map_or("", String::as_str);
        if record.cookies.contains_key("sessionid") || !record.signed || !["", identity].contains(&account) {
            faults.push(format!("{record:?}"));
        }
        if record.django_path.starts_with("/admin") {
            faults.push(format!("it arrived at {}", record.django_path));
        }
    }
    faults
        .iter()
        .map(|fault| format!("{}: {fault}; {}", row.name, heard.summary()))
        .collect()
}

#[test]
fn whatever_a_connection_says_it_is_refused_cleanly_or_arrives_as_it_was_decided() {
    let edge = shared();
    let rows = rows(&edge.stack.public);
    assert!(rows.len() >= 130, "{}", rows.len());
    let connections: Vec<_> = rows.iter().map(|row| vec![row.bytes.clone()]).collect();
    let heard = converse(&edge.stack.public, &connections);
    assert_eq!(heard.len(), rows.len());
    let records = edge.witness.records();
    let identity = edge.member.account_id.to_string();
    let faults: Vec<String> = rows
        .iter()
        .zip(&heard)
        .flat_map(|(row, heard)| faults_of(row, heard, &records, &identity))
        .collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    for (name, length) in [
        ("a body longer than its length", 3),
        ("a body shorter than its length", 9),
    ] {
        let row = rows.iter().find(|row| row.name == name);
        let arrived = row.map(|row| edge.arrived(&row.mark)).unwrap_or_default();
        let whole = arrived.iter().any(|record| record.body_length == Some(length));
        assert!(row.is_some() && !whole, "{name}: {arrived:?}");
    }
    assert!(edge.serves());
    // Nobody but the cases and the good client has come.
    let known = |mark: &str| mark.starts_with("frames-") || mark == "alive" || mark.starts_with("flood");
    let strange: Vec<_> = records
        .iter()
        .filter(|record| !record.introspection && !known(&record.marker))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// How often a flood repeats its frame.
fn repeats() -> u32 {
    if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        200_000
    } else {
        20_000
    }
}

/// Floods: what is said first, and the frames that are said again and again.
fn floods(edge: &Watched) -> Vec<(&'static str, Vec<u8>)> {
    let (often, own) = (repeats(), own(edge));
    let again = |first: Vec<u8>, again: Vec<u8>| [hello(), first, again.repeat(often as usize)].concat();
    let open = || {
        frame(
            kind::HEADERS,
            flag::END_HEADERS,
            1,
            &own.block("POST", b"/public/x", "flood-open", &[]),
        )
    };
    let begun = || frame(kind::HEADERS, flag::END_STREAM, 1, &own.page("flood-begun", &[]));
    let streams = |after: &dyn Fn(u32) -> Vec<u8>| {
        let each = (0..often / 4).map(|number| {
            let stream = 2 * number + 1;
            [request(stream, &own.page("flood-reset", &[])), after(stream)].concat()
        });
        [hello(), each.collect::<Vec<_>>().concat()].concat()
    };
    vec![
        (
            "settings",
            again(Vec::new(), frame(kind::SETTINGS, flag::NONE, 0, &[0, 1, 0, 0, 16, 0])),
        ),
        (
            "pings",
            again(Vec::new(), frame(kind::PING, flag::NONE, 0, b"12345678")),
        ),
        (
            "priorities",
            again(Vec::new(), frame(kind::PRIORITY, flag::NONE, 1, &[0, 0, 0, 0, 16])),
        ),
        ("frames of no kind", again(Vec::new(), frame(0x42, flag::NONE, 0, b""))),
        (
            "windows",
            again(open(), frame(kind::WINDOW_UPDATE, flag::NONE, 1, &[0, 0, 0, 1])),
        ),
        ("empty data", again(open(), frame(kind::DATA, flag::NONE, 1, b""))),
        (
            "empty padded data",
            again(open(), frame(kind::DATA, flag::PADDED, 1, &[0])),
        ),
        (
            "empty continuations",
            again(begun(), frame(kind::CONTINUATION, flag::NONE, 1, b"")),
        ),
        (
            "continuations",
            again(
                begun(),
                frame(kind::CONTINUATION, flag::NONE, 1, &field(b"x-a", &[b'b'; 60])),
            ),
        ),
        (
            "resets",
            streams(&|stream| frame(kind::RST_STREAM, flag::NONE, stream, &[0, 0, 0, 8])),
        ),
        // A stream that its own client makes us reset (CVE-2025-8671).
        (
            "resets that we are made to send",
            streams(&|stream| frame(kind::WINDOW_UPDATE, flag::NONE, stream, &[0; 4])),
        ),
    ]
}

#[test]
fn floods_of_frames_are_cut_off_or_cost_what_they_send_and_a_good_client_is_served_beside_them() {
    let edge = &start();
    assert!(edge.serves());
    let rounds = if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        10
    } else {
        3
    };
    let done = AtomicBool::new(false);
    let (faults, served, resident) = std::thread::scope(|scope| {
        let good = scope.spawn(|| {
            let (mut served, mut failed) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                if edge.serves() { served += 1 } else { failed += 1 }
            }
            (served, failed)
        });
        let (mut faults, mut resident) = (Vec::new(), Vec::new());
        let (names, connections): (Vec<_>, Vec<_>) = floods(edge)
            .into_iter()
            .map(|(name, bytes)| (name, vec![bytes]))
            .unzip();
        for _ in 0..rounds {
            // All of them at once.
            for (name, heard) in names.iter().zip(converse(&edge.stack.public, &connections)) {
                println!("{name}: {}", heard.summary());
                if !heard.closed {
                    faults.push(format!("{name}: the connection stayed open; {}", heard.summary()));
                }
            }
            resident.push(resident_kib(edge));
        }
        done.store(true, Ordering::Relaxed);
        (faults, good.join().unwrap_or_default(), resident)
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(
        served.0 > 0 && served.1 == 0,
        "{} good requests served, {} not",
        served.0,
        served.1
    );
    // Whoever opens and resets in a row, or has us reset, gets little work out of us.
    let reset = edge.arrived("flood-reset").len();
    let asked = rounds * repeats() as usize / 2;
    assert!(
        reset < asked / 2,
        "{reset} of {asked} requests that were taken back went on"
    );
    assert!(edge.arrived("flood-begun").is_empty());
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    assert!(first < 256 * 1024, "resident memory by round, in KiB: {resident:?}");
    assert!(
        last < first + first / 4 + 16 * 1024,
        "resident memory by round, in KiB: {resident:?}"
    );
}

#[test]
fn whoever_opens_no_window_holds_no_more_than_the_bounds_and_is_given_up() {
    let edge = shared();
    let own = own(edge);
    let before = resident_kib(edge);
    // A hundred answers on each of eight connections, and no room for any of them.
    let settings = frame(kind::SETTINGS, flag::NONE, 0, &[0, 4, 0, 0, 0, 0]);
    let requests = (0..100).map(|number| request(2 * number + 1, &own.page("flood-unread", &[])));
    let bytes = [PREFACE, &settings, &requests.collect::<Vec<_>>().concat()].concat();
    let heard = converse(&edge.stack.public, &vec![vec![bytes]; 8]);
    for one in &heard {
        assert!(one.closed, "{}", one.summary());
        let data: usize = one
            .frames
            .iter()
            .filter(|frame| frame.0 == kind::DATA)
            .map(|frame| frame.3.len())
            .sum();
        assert_eq!(data, 0, "data went beyond the window");
    }
    let after = resident_kib(edge);
    assert!(
        after < before + 96 * 1024,
        "resident memory, in KiB: {before} before, {after} after"
    );
    // The window is opened late, and then beyond what a window can be.
    let overflow = frame(kind::WINDOW_UPDATE, flag::NONE, 1, &[0x7f, 0xff, 0xff, 0xff]);
    let parts = vec![
        [PREFACE, &settings, &request(1, &own.page("flood-late", &[]))].concat(),
        [overflow.clone(), overflow].concat(),
    ];
    let heard = converse(&edge.stack.public, &[parts]).remove(0);
    assert!(
        heard.closed && heard.count(kind::RST_STREAM) + heard.count(kind::GOAWAY) > 0,
        "{}",
        heard.summary()
    );
    assert!(edge.serves());
}
