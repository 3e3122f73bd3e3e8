//! Where one request ends and the next begins. Most of these hide a second request in the bytes of the first.

use super::{Case, HIDDEN, MALFORMED, MALFORMED_REQUEST, OWN_FIELDS, Outcome};
use Outcome::{Body, Harmless, Refused, To};

/// (name, fields, body, outcome): `POST /x` with these fields, then the body, then [`HIDDEN`] where `true`.
type FramedRow = (&'static str, &'static [u8], &'static [u8], bool, Outcome);

const LENGTHS: &[FramedRow] = &[
    ("a length", b"Content-Length: 5\r\n", b"hello", false, Body("/x", 5)),
    (
        "a length of nothing",
        b"Content-Length: 0\r\n",
        b"",
        false,
        Body("/x", 0),
    ),
    ("no length", b"", b"", false, Body("/x", 0)),
    (
        "a length over a whole request",
        b"Content-Length: {LENGTH}\r\n",
        b"",
        true,
        To("/x"),
    ),
    (
        "a length with zeros before it",
        b"Content-Length: 005\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    ("two zeros", b"Content-Length: 00\r\n", b"", true, MALFORMED_REQUEST),
    (
        "a length with a plus",
        b"Content-Length: +5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a minus",
        b"Content-Length: -5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length in hex",
        b"Content-Length: 0x5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a point",
        b"Content-Length: 5.0\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with an exponent",
        b"Content-Length: 5e0\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with an underscore",
        b"Content-Length: 1_0\r\n",
        b"hellohello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length in quotes",
        b"Content-Length: \"5\"\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length in digits of another script",
        b"Content-Length: \xd9\xa5\r\n",
        b"hello",
        true,
        MALFORMED,
    ),
    (
        "a length that repeats itself",
        b"Content-Length: 5, 5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length that contradicts itself",
        b"Content-Length: 5, 6\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a comma",
        b"Content-Length: 5,\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a semicolon",
        b"Content-Length: 5;\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a blank within",
        b"Content-Length: 1 0\r\n",
        b"hellohello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length that is empty",
        b"Content-Length:\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length that is a word",
        b"Content-Length: five\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a vertical tab",
        b"Content-Length: \x0b5\r\n",
        b"hello",
        true,
        MALFORMED,
    ),
    (
        "a length beyond 64 bits",
        b"Content-Length: 18446744073709551621\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length of many digits",
        b"Content-Length: 99999999999999999999999999999999\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "two lengths alike",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "two lengths, the longer last",
        b"Content-Length: 5\r\nContent-Length: {LENGTH}\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "two lengths, the longer first",
        b"Content-Length: {LENGTH}\r\ncontent-length: 5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length with a folded line",
        b"Content-Length:\r\n 5\r\n",
        b"hello",
        true,
        MALFORMED,
    ),
    (
        "a length with a blank before its colon",
        b"Content-Length : 5\r\n",
        b"hello",
        true,
        MALFORMED,
    ),
    (
        "a length over the limit of the route",
        b"Content-Length: 1000000000\r\n",
        b"hello",
        true,
        Refused(&["body_too_large"]),
    ),
];

const CODINGS: &[FramedRow] = &[
    (
        "chunks",
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        false,
        Body("/x", 5),
    ),
    (
        "two chunks",
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
        false,
        Body("/x", 6),
    ),
    (
        "no chunk",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        false,
        Body("/x", 0),
    ),
    (
        "a length before chunks",
        b"Content-Length: {LENGTH}\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length after chunks",
        b"Transfer-Encoding: chunked\r\nContent-Length: {LENGTH}\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a short length beside chunks",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"5c\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a length of nothing beside chunks",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "two codings alike",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "two codings, chunked first",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "two codings, chunked last",
        b"Transfer-Encoding: x\r\ntransfer-encoding: chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "gzip and chunked",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked and gzip",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked twice in a list",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked and a comma",
        b"Transfer-Encoding: chunked,\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a comma and chunked",
        b"Transfer-Encoding: ,chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "identity",
        b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "identity alone",
        b"Transfer-Encoding: identity\r\n",
        b"",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "gzip alone",
        b"Transfer-Encoding: gzip\r\n",
        b"",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "an empty coding",
        b"Transfer-Encoding:\r\nContent-Length: 5\r\n",
        b"hello",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "Chunked",
        b"Transfer-Encoding: Chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "CHUNKED",
        b"Transfer-Encoding: CHUNKED\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked in quotes",
        b"Transfer-Encoding: \"chunked\"\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked with a parameter",
        b"Transfer-Encoding: chunked;q=1\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a word that begins like chunked",
        b"Transfer-Encoding: chunkedx\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "a word that ends like chunked",
        b"Transfer-Encoding: xchunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked after a vertical tab",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "chunked before a form feed",
        b"Transfer-Encoding: chunked\x0c\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "chunked before a NUL",
        b"Transfer-Encoding: chunked\0\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "chunked with a byte beyond ASCII",
        b"Transfer-Encoding: \xffchunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "chunked on a folded line",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "chunked with a blank before its colon",
        b"Transfer-Encoding : chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "chunked after a bare line feed",
        b"X-A: b\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED_REQUEST,
    ),
    (
        "chunked after a bare carriage return",
        b"X-A: b\rTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        true,
        MALFORMED,
    ),
    (
        "a field that only looks like the coding",
        b"X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"hello",
        false,
        Body("/x", 5),
    ),
    (
        "an expectation that nobody knows",
        b"Expect: 200-ok\r\nContent-Length: 5\r\n",
        b"hello",
        true,
        Refused(&["expectation_failed"]),
    ),
    (
        "an expectation and another",
        b"Expect: 100-continue, x\r\nContent-Length: 5\r\n",
        b"hello",
        true,
        Refused(&["expectation_failed"]),
    ),
    (
        "an expectation that can be met",
        b"Expect: 100-continue\r\nContent-Length: 5\r\n",
        b"hello",
        false,
        Body("/x", 5),
    ),
];

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

/// Whole heads: (name, bytes up to the hidden request, verdict).
const HEADS: &[(&str, &[u8], Outcome)] = &[
    ("lines that end in bare line feeds", b"GET /x HTTP/1.1\nHost: {HOST}\nX-Marker: {MARK}\n\n", MALFORMED_REQUEST),
    ("a request line that ends in a bare line feed", b"GET /x HTTP/1.1\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED_REQUEST),
    ("a field that ends in a bare line feed", b"GET /x HTTP/1.1\r\nHost: {HOST}\nX-Marker: {MARK}\r\n\r\n", MALFORMED_REQUEST),
    ("an empty line that is a bare line feed", b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\n", MALFORMED_REQUEST),
    ("an empty line of carriage returns", b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\r\n", MALFORMED),
    ("lines that end in bare carriage returns", b"GET /x HTTP/1.1\rHost: {HOST}\rX-Marker: {MARK}\r\r\n\r\n", MALFORMED),
    ("an empty line first", b"\r\nGET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED_REQUEST),
    ("two empty lines first", b"\r\n\r\nGET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED_REQUEST),
    ("a bare line feed first", b"\nGET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED_REQUEST),
    ("a blank first", b" GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED_REQUEST),
    ("a NUL first", b"\0GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED),
    ("a folded line", b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\nX-A: b\r\n c\r\n\r\n", MALFORMED),
    ("a line folded with a tab", b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\nX-A: b\r\n\tc\r\n\r\n", MALFORMED),
    ("a folded first field", b"GET /x HTTP/1.1\r\n X-A: b\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n\r\n", MALFORMED),
    ("a line of one blank", b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\n \r\n\r\n", MALFORMED),
    ("the beginning of a TLS connection", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", MALFORMED),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED_REQUEST),
    ("a PROXY protocol line", b"PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\nGET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n", MALFORMED),
    ("HTTP/1.0 with chunks", b"POST /x HTTP/1.0\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED_REQUEST),
    ("HTTP/1.0 with chunks, kept alive", b"POST /x HTTP/1.0\r\nHost: {HOST}\r\nX-Marker: {MARK}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED_REQUEST),
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
        b"POST /api/v1/x HTTP/1.1\r\nCookie: sessionid=root-body\r\n",
        Refused(&["session_not_allowed"]),
    ),
    (
        "with an administrator's session on a page",
        b"POST /x HTTP/1.1\r\nCookie: sessionid=root-body\r\n",
        Refused(&["superuser_session_blocked"]),
    ),
    (
        "with a bad token",
        b"POST /api/v1/x HTTP/1.1\r\nAuthorization: Bearer x.y.z\r\n",
        Refused(&["token_invalid"]),
    ),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    for (name, fields, body, hides, outcome) in LENGTHS.iter().chain(CODINGS) {
        let hidden = if *hides { HIDDEN } else { b"" };
        let parts: &[&[u8]] = &[b"POST /x HTTP/1.1\r\n", OWN_FIELDS, fields, b"\r\n", body, hidden];
        cases.push(Case::new("framing", *name, parts, outcome.verdict()));
    }
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
    for (name, head, outcome) in HEADS {
        let case = Case::new("framing", *name, &[head, HIDDEN], outcome.verdict());
        // Where line ends are not what they should be, the end of the block may never be found.
        cases.push(Case {
            breaks_off: true,
            ..case
        });
    }
    for (name, line, outcome) in REFUSED_WITH_BODY {
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
            cases.push(Case::new(
                "refused with a body",
                format!("{name}, {how}"),
                parts,
                outcome.verdict(),
            ));
        }
    }
    add_sizes(cases);
    add_pipelines(cases);
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
