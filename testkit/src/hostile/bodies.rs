//! Bodies: in chunks that are not quite that, too large, broken off, of requests that are refused, and followed by more.

use super::{Case, HIDDEN, OWN_FIELDS, Outcome};
use Outcome::{Harmless, Here, Refused, To};

/// Bodies in chunks that are not quite that. The headers have gone upstream by then; nothing hidden may arrive.
/// The hidden request follows where the body is malformed; a well-formed body would end before it.
const CHUNKS: &[(&str, &[u8], bool)] = &[
    ("a chunk extension", b"5;a=b\r\nhello\r\n0\r\n\r\n", false),
    (
        "a chunk extension in quotes",
        b"5;a=\"b\r\n\"\r\nhello\r\n0\r\n\r\n",
        true,
    ),
    (
        "a chunk extension with a bare line feed",
        b"5;a\nhello\r\n0\r\n\r\n",
        true,
    ),
    (
        "a chunk extension in which a line hides",
        b"3;a\nabc\r\nxyz\r\n0\r\n\r\n",
        true,
    ),
    (
        "a chunk extension with a bare carriage return",
        b"3;a\rabc\r\nxyz\r\n0\r\n\r\n",
        true,
    ),
    ("a chunk extension with a NUL", b"3;a\0\r\nxyz\r\n0\r\n\r\n", true),
    ("a chunk extension alone", b";a\r\n\r\n", true),
    ("a chunk size with a plus", b"+5\r\nhello\r\n0\r\n\r\n", true),
    ("a chunk size with a minus", b"-5\r\nhello\r\n0\r\n\r\n", true),
    ("a chunk size with a mark of hex", b"0x5\r\nhello\r\n0\r\n\r\n", true),
    (
        "a chunk size with zeros before it",
        b"0000005\r\nhello\r\n0\r\n\r\n",
        false,
    ),
    ("a chunk size with a blank after it", b"5 \r\nhello\r\n0\r\n\r\n", false),
    ("a chunk size with a blank before it", b" 5\r\nhello\r\n0\r\n\r\n", true),
    ("a chunk size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n", true),
    ("a chunk size of no digits", b"\r\nhello\r\n0\r\n\r\n", true),
    ("a chunk size of no hex digits", b"xyz\r\nhello\r\n0\r\n\r\n", true),
    (
        "a chunk size beyond 64 bits",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        true,
    ),
    ("a chunk size ended by a bare line feed", b"5\nhello\r\n0\r\n\r\n", true),
    (
        "a chunk size ended by a bare carriage return",
        b"5\rhello\r\n0\r\n\r\n",
        true,
    ),
    ("a chunk longer than its size", b"5\r\nhelloworld\r\n0\r\n\r\n", true),
    ("a chunk without its line end", b"5\r\nhello0\r\n\r\n", true),
    ("a chunk ended by a bare line feed", b"5\r\nhello\n0\r\n\r\n", true),
    ("a last chunk ended by a bare line feed", b"5\r\nhello\r\n0\n\r\n", true),
    ("a last chunk of many zeros", b"5\r\nhello\r\n00000\r\n\r\n", false),
    (
        "a trailer that claims an account",
        b"5\r\nhello\r\n0\r\nX-Account-Id: 666\r\n\r\n",
        false,
    ),
    (
        "a trailer that claims a length",
        b"5\r\nhello\r\n0\r\nContent-Length: 100\r\n\r\n",
        false,
    ),
    (
        "a trailer with a bare line feed",
        b"5\r\nhello\r\n0\r\nX-A: b\n\r\n",
        true,
    ),
    (
        "a trailer with a session",
        b"5\r\nhello\r\n0\r\nCookie: sessionid=root\r\n\r\n",
        false,
    ),
];

/// Requests that are refused for another reason; their bodies are whole requests and must not be read as such.
const REFUSED_WITH_BODY: &[(&str, &[u8], Outcome)] = &[
    (
        "without a credential",
        b"POST /api/v1/x HTTP/1.1\r\n",
        Refused(&["credentials_required"]),
    ),
    (
        "on a path with two readings",
        b"POST /api/../x HTTP/1.1\r\n",
        Refused(&["malformed_path"]),
    ),
    (
        "with a method that nobody knows",
        b"BREW /x HTTP/1.1\r\n",
        Refused(&["method_not_allowed"]),
    ),
    (
        "where sessions are looked up",
        b"POST /internal/session/ HTTP/1.1\r\n",
        Refused(&["no_route"]),
    ),
    (
        "with an alias of an identity field",
        b"POST /x HTTP/1.1\r\nX_Account_Id: 666\r\n",
        Refused(&["forbidden_field"]),
    ),
    (
        "with an administrator's session on the API",
        b"POST /api/v1/x HTTP/1.1\r\nCookie: sessionid=root-{MARK}\r\n",
        Refused(&["session_not_allowed"]),
    ),
    (
        "with an administrator's session on a page",
        b"POST /x HTTP/1.1\r\nCookie: sessionid=root-{MARK}\r\n",
        Refused(&["superuser_session_blocked"]),
    ),
    (
        "with a bad token",
        b"POST /api/v1/x HTTP/1.1\r\nAuthorization: Bearer x.y.z\r\n",
        Refused(&["token_invalid"]),
    ),
];

/// Requests that the proxy answers itself, refusing nothing; their bodies are whole requests, too.
const ANSWERED_HERE: &[(&str, &[u8])] = &[
    ("the question whether it lives", b"GET /healthz HTTP/1.1\r\n"),
    (
        "the question whether it lives, without its body",
        b"HEAD /healthz HTTP/1.1\r\n",
    ),
    (
        "the question whether it lives, by a client that keeps its connection",
        b"GET /healthz HTTP/1.1\r\nConnection: keep-alive\r\n",
    ),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    for (name, body, hides) in CHUNKS {
        let hidden = if *hides { HIDDEN } else { b"" };
        let parts: &[&[u8]] = &[
            b"POST /x HTTP/1.1\r\n",
            OWN_FIELDS,
            b"Transfer-Encoding: chunked\r\n\r\n",
            body,
            hidden,
        ];
        let case = Case::new("chunks", *name, parts, Harmless.verdict());
        cases.push(Case {
            breaks_off: true,
            ..case
        });
    }
    for (name, line, outcome) in REFUSED_WITH_BODY {
        add_with_body(cases, "refused with a body", name, line, *outcome);
    }
    for (name, line) in ANSWERED_HERE {
        add_with_body(cases, "answered here with a body", name, line, Here);
    }
    add_sizes(cases);
    add_pipelines(cases);
}

/// The same request with a body of every kind, in which another request hides.
fn add_with_body(cases: &mut Vec<Case>, family: &'static str, name: &str, line: &[u8], outcome: Outcome) {
    for (how, fields, before, after) in [
        ("a length", "Content-Length: {LENGTH}\r\n", "", ""),
        (
            "a length and an expectation",
            "Content-Length: {LENGTH}\r\nExpect: 100-continue\r\n",
            "",
            "",
        ),
        (
            "a chunk",
            "Transfer-Encoding: chunked\r\n",
            "{HEX}\r\n",
            "\r\n0\r\n\r\n",
        ),
    ] {
        let parts: &[&[u8]] = &[
            line,
            OWN_FIELDS,
            fields.as_bytes(),
            b"\r\n",
            before.as_bytes(),
            HIDDEN,
            after.as_bytes(),
        ];
        cases.push(Case::new(family, format!("{name}, {how}"), parts, outcome.verdict()));
    }
}

/// Header blocks that are too large, and bodies that break off.
fn add_sizes(cases: &mut Vec<Case>) {
    let fields = |count: usize| (0..count).map(|n| format!("X-A{n}: b\r\n")).collect::<String>();
    let long = |length: usize| format!("X-A: {}\r\n", "b".repeat(length));
    let many = |count: usize, length: usize| long(length).repeat(count);
    let too_large = Refused(&["fields_too_large"]);
    for (name, block, outcome) in [
        ("ninety fields", fields(88), To("/x")),
        ("a hundred and one fields", fields(99), too_large),
        ("a thousand fields", fields(1_000), too_large),
        ("a field of six thousand bytes", long(6_000), To("/x")),
        ("a field beyond the limit of a block", long(33 * 1_024), too_large),
        ("fields beyond the limit of a block", many(9, 4_000), too_large),
        ("a field of two hundred thousand bytes", long(200_000), too_large),
    ] {
        let parts: &[&[u8]] = &[b"GET /x HTTP/1.1\r\n", OWN_FIELDS, block.as_bytes(), b"\r\n"];
        cases.push(Case::new("sizes", name, parts, outcome.verdict()));
    }
    let target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(40_000));
    cases.push(Case::new(
        "sizes",
        "a target beyond the limit",
        &[target.as_bytes(), OWN_FIELDS, b"\r\n"],
        too_large.verdict(),
    ));
    for (name, fields, body) in [
        ("a body that breaks off", "Content-Length: 100\r\n", "hello"),
        (
            "a chunk that breaks off",
            "Transfer-Encoding: chunked\r\n",
            "64\r\nhello",
        ),
        (
            "chunks that break off",
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n",
        ),
    ] {
        let parts: &[&[u8]] = &[
            b"POST /x HTTP/1.1\r\n",
            OWN_FIELDS,
            fields.as_bytes(),
            b"\r\n",
            body.as_bytes(),
        ];
        cases.push(Case {
            breaks_off: true,
            ..Case::new("sizes", name, parts, Harmless.verdict())
        });
    }
    let parts: &[&[u8]] = &[b"GET /x HTTP/1.1\r\n", OWN_FIELDS, b"X-A"];
    cases.push(Case {
        breaks_off: true,
        ..Case::new("sizes", "a block that breaks off", parts, Harmless.verdict())
    });
}

/// Bytes that go on after a well-formed request.
fn add_pipelines(cases: &mut Vec<Case>) {
    const SECOND: &[u8] = b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}-second\r\n\r\n";
    let first: &[&[u8]] = &[b"GET /x HTTP/1.1\r\n", OWN_FIELDS];
    let first = first.concat();
    let upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for (name, rest) in [
        ("a second request", [b"\r\n".as_slice(), SECOND].concat()),
        ("a request without a target", b"\r\nGET  HTTP/1.1\r\n\r\n".to_vec()),
        (
            "an empty line and a second request",
            [b"\r\n\r\n".as_slice(), SECOND].concat(),
        ),
        (
            "a second request with an administrator's session",
            b"\r\nGET /api/v1/x HTTP/1.1\r\nHost: {HOST}\r\n\
            X-Marker: {MARK}-second\r\nCookie: sessionid=root-second\r\n\r\n"
                .to_vec(),
        ),
        (
            "an offer to upgrade and a frame",
            [upgrade.as_slice(), b"\x81\x05hello"].concat(),
        ),
        (
            "an offer to upgrade and a second request",
            [upgrade.as_slice(), SECOND].concat(),
        ),
        (
            "an offer of h2c and its preface",
            b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n\
            PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                .to_vec(),
        ),
    ] {
        let case = Case::new("pipelines", name, &[&first, &rest], To("/x").verdict());
        cases.push(Case {
            requests: 2,
            breaks_off: true,
            ..case
        });
    }
}
