//! Connections of frames that no library would write, and what must become of each.

use super::{PREFACE, blocks, fields, flag, frame, hello, kind, request};

/// What every request says of itself.
#[derive(Clone, Debug)]
pub struct Own {
    /// The address that is talked to.
    pub host: String,
}

impl Own {
    /// The block of a request with this mark, each field as it is, and more fields.
    #[must_use]
    pub fn block(&self, method: &str, path: &[u8], mark: &str, more: &[(&[u8], &[u8])]) -> Vec<u8> {
        let own: [(&[u8], &[u8]); 5] = [
            (b":method", method.as_bytes()),
            (b":scheme", b"https"),
            (b":authority", self.host.as_bytes()),
            (b":path", path),
            (b"x-marker", mark.as_bytes()),
        ];
        own.iter()
            .chain(more)
            .flat_map(|(name, value)| super::field(name, value))
            .collect()
    }

    /// The block of `GET /page`.
    #[must_use]
    pub fn page(&self, mark: &str, more: &[(&[u8], &[u8])]) -> Vec<u8> {
        self.block("GET", b"/page", mark, more)
    }
}

/// What must become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its request is not served and never arrives.
    Refused,
    /// Its request arrives once and is served; whatever else was sent is passed over or dropped.
    Served,
    /// Either; nothing that must not arrive does.
    Harmless,
}
use Fate::{Harmless, Refused, Served};

/// One connection.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    /// In `x-marker` of its request.
    pub mark: String,
    /// What is sent.
    pub bytes: Vec<u8>,
    pub fate: Fate,
}

/// Rows under way: each gets a mark of its own before its bytes are made.
pub(super) struct Rows {
    own: Own,
    rows: Vec<Row>,
}

impl Rows {
    /// These bytes and no others.
    pub(super) fn add(&mut self, name: &'static str, fate: Fate, make: impl FnOnce(&Own, &str) -> Vec<u8>) {
        let mark = format!("frames-{}", self.rows.len());
        let bytes = make(&self.own, &mark);
        self.rows.push(Row {
            name,
            mark,
            bytes,
            fate,
        });
    }

    /// Frames after the preface and settings.
    pub(super) fn frames(&mut self, name: &'static str, fate: Fate, make: impl FnOnce(&Own, &str) -> Vec<Vec<u8>>) {
        self.add(name, fate, |own, mark| [hello(), make(own, mark).concat()].concat());
    }

    /// One frame that wrecks the connection: the good request behind it is not served.
    pub(super) fn wreck(&mut self, name: &'static str, bad: Vec<u8>) {
        self.frames(name, Refused, |own, mark| vec![bad, request(1, &own.page(mark, &[]))]);
    }

    /// `GET /page` whose block ends in these bytes.
    pub(super) fn block(&mut self, name: &'static str, fate: Fate, tail: Vec<u8>) {
        self.frames(name, fate, |own, mark| {
            vec![request(1, &[own.page(mark, &[]), tail].concat())]
        });
    }
}

/// Every row, for a proxy at this address that has a public route `/public` with a limit of 1,000 bytes.
#[must_use]
pub fn rows(host: &str) -> Vec<Row> {
    let own = Own { host: host.to_owned() };
    let mut rows = Rows { own, rows: Vec::new() };
    for add in [
        add_connections,
        add_settings,
        add_strays,
        add_streams,
        add_continuations,
        blocks::add_blocks,
        blocks::add_bombs,
        fields::add_fields,
        fields::add_crumbs,
        fields::add_lines,
        fields::add_bodies,
    ] {
        add(&mut rows);
    }
    rows.rows
}

/// What a connection begins with.
fn add_connections(rows: &mut Rows) {
    rows.add("no preface", Refused, |own, mark| request(1, &own.page(mark, &[])));
    rows.add("an HTTP/1 request", Refused, |own, mark| {
        let host = &own.host;
        format!("GET /page HTTP/1.1\r\nHost: {host}\r\nX-Marker: {mark}\r\n\r\n").into_bytes()
    });
    rows.add("half a preface", Refused, |own, mark| {
        [
            &b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..],
            &request(1, &own.page(mark, &[])),
        ]
        .concat()
    });
    rows.add("no settings", Harmless, |own, mark| {
        [PREFACE, &request(1, &own.page(mark, &[]))].concat()
    });
    rows.add("two prefaces", Refused, |own, mark| {
        [hello(), hello(), request(1, &own.page(mark, &[]))].concat()
    });
}

/// Settings, pings and farewells that are not what they must be.
fn add_settings(rows: &mut Rows) {
    let settings = |payload: &[u8]| frame(kind::SETTINGS, flag::NONE, 0, payload);
    rows.wreck("settings of five bytes", settings(b"\0\x01\0\0\0"));
    rows.wreck("settings of a stream", frame(kind::SETTINGS, flag::NONE, 1, b""));
    rows.wreck(
        "an acknowledgement that says something",
        frame(kind::SETTINGS, flag::ACK, 0, b"\0\x01\0\0\0\0"),
    );
    rows.wreck("a push that is two", settings(b"\0\x02\0\0\0\x02"));
    rows.wreck("a window beyond 31 bits", settings(b"\0\x04\x80\0\0\0"));
    rows.wreck("frames of one byte", settings(b"\0\x05\0\0\0\x01"));
    rows.wreck("frames beyond 24 bits", settings(b"\0\x05\xff\xff\xff\xff"));
    rows.wreck("a ping of seven bytes", frame(kind::PING, flag::NONE, 0, b"1234567"));
    rows.wreck("a ping of a stream", frame(kind::PING, flag::NONE, 1, b"12345678"));
    rows.wreck("a farewell of a stream", frame(kind::GOAWAY, flag::NONE, 1, &[0; 8]));
    rows.wreck("a farewell of seven bytes", frame(kind::GOAWAY, flag::NONE, 0, &[0; 7]));
    rows.frames("a frame of a kind that nobody knows", Served, |own, mark| {
        vec![frame(0x42, 0xff, 7, b"whatever"), request(1, &own.page(mark, &[]))]
    });
    rows.frames("settings that nobody knows", Served, |own, mark| {
        vec![settings(b"\xff\xff\0\0\0\x01"), request(1, &own.page(mark, &[]))]
    });
}

/// Frames of streams that are not there, or of the wrong size.
fn add_strays(rows: &mut Rows) {
    rows.wreck(
        "a pushed request",
        frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, b"\0\0\0\x02\x82"),
    );
    rows.wreck("data of no stream", frame(kind::DATA, flag::NONE, 0, b"x"));
    rows.wreck(
        "data of a stream that was never opened",
        frame(kind::DATA, flag::NONE, 1, b"x"),
    );
    rows.wreck(
        "a continuation of nothing",
        frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"\x82"),
    );
    rows.wreck(
        "a reset of no stream",
        frame(kind::RST_STREAM, flag::NONE, 0, &[0, 0, 0, 8]),
    );
    rows.wreck(
        "a reset of three bytes",
        frame(kind::RST_STREAM, flag::NONE, 1, &[0, 0, 8]),
    );
    rows.wreck(
        "a reset of a stream that was never opened",
        frame(kind::RST_STREAM, flag::NONE, 1, &[0, 0, 0, 8]),
    );
    rows.wreck(
        "a window of nothing more",
        frame(kind::WINDOW_UPDATE, flag::NONE, 0, &[0; 4]),
    );
    rows.wreck(
        "a window of three bytes",
        frame(kind::WINDOW_UPDATE, flag::NONE, 0, &[0, 0, 1]),
    );
    rows.wreck(
        "a window that overflows",
        frame(kind::WINDOW_UPDATE, flag::NONE, 0, &[0x7f, 0xff, 0xff, 0xff]),
    );
    rows.wreck(
        "a window of a stream that was never opened",
        frame(kind::WINDOW_UPDATE, flag::NONE, 1, &[0, 0, 0, 1]),
    );
    rows.wreck(
        "a priority of four bytes",
        frame(kind::PRIORITY, flag::NONE, 1, &[0; 4]),
    );
    rows.wreck("a priority of no stream", frame(kind::PRIORITY, flag::NONE, 0, &[0; 5]));
    rows.wreck(
        "a frame larger than was agreed",
        frame(0x42, flag::NONE, 0, &[0; 16_385]),
    );
}

/// Streams, and what stands in their first frame beside the block.
fn add_streams(rows: &mut Rows) {
    for (name, stream) in [
        ("a request of no stream", 0),
        ("a request of a stream that is ours to open", 2),
    ] {
        rows.frames(name, Refused, |own, mark| vec![request(stream, &own.page(mark, &[]))]);
    }
    rows.frames("a stream below the last one", Refused, |own, mark| {
        vec![
            request(7, &own.page("frames-first", &[])),
            request(5, &own.page(mark, &[])),
        ]
    });
    rows.frames("the same stream again", Harmless, |own, mark| {
        vec![
            request(1, &own.page("frames-first", &[])),
            request(1, &own.page(mark, &[])),
        ]
    });
    rows.frames("padding longer than the frame", Refused, |own, mark| {
        let block = own.page(mark, &[]);
        let payload = [&[255][..], &block[..block.len().min(200)]].concat();
        vec![frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM | flag::PADDED,
            1,
            &payload,
        )]
    });
    rows.frames("padding that is right", Served, |own, mark| {
        let payload = [&[3][..], &own.page(mark, &[]), &[0; 3]].concat();
        vec![frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM | flag::PADDED,
            1,
            &payload,
        )]
    });
    rows.frames("a stream that depends on itself", Refused, |own, mark| {
        let payload = [&[0, 0, 0, 1, 16][..], &own.page(mark, &[])].concat();
        vec![frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM | flag::PRIORITY,
            1,
            &payload,
        )]
    });
}

/// Blocks that go on in other frames, with something between them.
fn add_continuations(rows: &mut Rows) {
    let begun = |own: &Own, mark: &str| {
        let block = own.page(mark, &[]);
        let (first, rest) = block.split_at(20);
        (frame(kind::HEADERS, flag::END_STREAM, 1, first), rest.to_vec())
    };
    rows.frames("a block in two frames", Served, |own, mark| {
        let (first, rest) = begun(own, mark);
        vec![first, frame(kind::CONTINUATION, flag::END_HEADERS, 1, &rest)]
    });
    for (name, between) in [
        ("data within a block", frame(kind::DATA, flag::NONE, 1, b"x")),
        ("a ping within a block", frame(kind::PING, flag::NONE, 0, b"12345678")),
        ("a frame of no kind within a block", frame(0x42, flag::NONE, 1, b"x")),
        ("another block within a block", request(3, b"\x82")),
        (
            "another stream's continuation within a block",
            frame(kind::CONTINUATION, flag::NONE, 3, b""),
        ),
    ] {
        rows.frames(name, Refused, |own, mark| {
            let (first, rest) = begun(own, mark);
            vec![first, between, frame(kind::CONTINUATION, flag::END_HEADERS, 1, &rest)]
        });
    }
    rows.frames("data after the end", Harmless, |own, mark| {
        vec![
            request(1, &own.page(mark, &[])),
            frame(kind::DATA, flag::END_STREAM, 1, b"GET /admin/ HTTP/1.1\r\n\r\n"),
        ]
    });
}
