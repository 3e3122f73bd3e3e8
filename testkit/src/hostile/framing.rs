//! Where one request ends and the next begins. Most of these hide a second request in the bytes of the first.

use super::{Case, HIDDEN, MALFORMED, MALFORMED_REQUEST, OWN_FIELDS, Outcome};
use Outcome::{Body, Refused, To};

/// (name, fields, body, whether [`HIDDEN`] follows, outcome), all of `POST /x`.
type FramedRow = (&'static str, &'static [u8], &'static [u8], bool, Outcome);

/// (name, fields, body): refused, whatever follows.
pub(super) type DoubtfulRow = (&'static str, &'static [u8], &'static [u8]);

const CLEAR: &[FramedRow] = &[
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
        "a length over the limit of the route",
        b"Content-Length: 1000000000\r\n",
        b"hello",
        true,
        Refused(&["body_too_large"]),
    ),
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

/// Lengths and codings that two readers could read as two.
pub(super) const DOUBTFUL: &[DoubtfulRow] = &[
    ("a length with zeros before it", b"Content-Length: 005\r\n", b"hello"),
    ("two zeros", b"Content-Length: 00\r\n", b""),
    ("a length with a plus", b"Content-Length: +5\r\n", b"hello"),
    ("a length with a minus", b"Content-Length: -5\r\n", b"hello"),
    ("a length in hex", b"Content-Length: 0x5\r\n", b"hello"),
    ("a length with a point", b"Content-Length: 5.0\r\n", b"hello"),
    ("a length with an exponent", b"Content-Length: 5e0\r\n", b"hello"),
    ("a length with an underscore", b"Content-Length: 1_0\r\n", b"hellohello"),
    ("a length in quotes", b"Content-Length: \"5\"\r\n", b"hello"),
    ("a length that repeats itself", b"Content-Length: 5, 5\r\n", b"hello"),
    (
        "a length that contradicts itself",
        b"Content-Length: 5, 6\r\n",
        b"hello",
    ),
    ("a length with a comma", b"Content-Length: 5,\r\n", b"hello"),
    ("a length with a semicolon", b"Content-Length: 5;\r\n", b"hello"),
    (
        "a length with a blank within",
        b"Content-Length: 1 0\r\n",
        b"hellohello",
    ),
    ("a length that is empty", b"Content-Length:\r\n", b"hello"),
    ("a length that is a word", b"Content-Length: five\r\n", b"hello"),
    (
        "a length beyond 64 bits",
        b"Content-Length: 18446744073709551621\r\n",
        b"hello",
    ),
    (
        "a length of many digits",
        b"Content-Length: 99999999999999999999999999999999\r\n",
        b"hello",
    ),
    (
        "two lengths alike",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"hello",
    ),
    (
        "two lengths, the longer last",
        b"Content-Length: 5\r\nContent-Length: {LENGTH}\r\n",
        b"hello",
    ),
    (
        "two lengths, the longer first",
        b"Content-Length: {LENGTH}\r\ncontent-length: 5\r\n",
        b"hello",
    ),
    (
        "a length before chunks",
        b"Content-Length: {LENGTH}\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "a length after chunks",
        b"Transfer-Encoding: chunked\r\nContent-Length: {LENGTH}\r\n",
        b"0\r\n\r\n",
    ),
    (
        "a short length beside chunks",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"5c\r\n",
    ),
    (
        "a length of nothing beside chunks",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "two codings alike",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "two codings, chunked first",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"0\r\n\r\n",
    ),
    (
        "two codings, chunked last",
        b"Transfer-Encoding: x\r\ntransfer-encoding: chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "gzip and chunked",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked and gzip",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked twice in a list",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"0\r\n\r\n",
    ),
    ("chunked and a comma", b"Transfer-Encoding: chunked,\r\n", b"0\r\n\r\n"),
    ("a comma and chunked", b"Transfer-Encoding: ,chunked\r\n", b"0\r\n\r\n"),
    (
        "identity",
        b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        b"hello",
    ),
    ("identity alone", b"Transfer-Encoding: identity\r\n", b""),
    ("gzip alone", b"Transfer-Encoding: gzip\r\n", b""),
    (
        "an empty coding",
        b"Transfer-Encoding:\r\nContent-Length: 5\r\n",
        b"hello",
    ),
    ("Chunked", b"Transfer-Encoding: Chunked\r\n", b"0\r\n\r\n"),
    ("CHUNKED", b"Transfer-Encoding: CHUNKED\r\n", b"0\r\n\r\n"),
    ("chunked in quotes", b"Transfer-Encoding: \"chunked\"\r\n", b"0\r\n\r\n"),
    (
        "chunked with a parameter",
        b"Transfer-Encoding: chunked;q=1\r\n",
        b"0\r\n\r\n",
    ),
    (
        "a word that begins like chunked",
        b"Transfer-Encoding: chunkedx\r\n",
        b"0\r\n\r\n",
    ),
    (
        "a word that ends like chunked",
        b"Transfer-Encoding: xchunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked after a bare line feed",
        b"X-A: b\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
    ),
];

/// The same where the field itself is malformed as well.
pub(super) const MANGLED: &[DoubtfulRow] = &[
    (
        "a length in digits of another script",
        b"Content-Length: \xd9\xa5\r\n",
        b"hello",
    ),
    ("a length with a vertical tab", b"Content-Length: \x0b5\r\n", b"hello"),
    ("a length with a folded line", b"Content-Length:\r\n 5\r\n", b"hello"),
    (
        "a length with a blank before its colon",
        b"Content-Length : 5\r\n",
        b"hello",
    ),
    (
        "chunked after a vertical tab",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked before a form feed",
        b"Transfer-Encoding: chunked\x0c\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked before a NUL",
        b"Transfer-Encoding: chunked\0\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked with a byte beyond ASCII",
        b"Transfer-Encoding: \xffchunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked on a folded line",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked with a blank before its colon",
        b"Transfer-Encoding : chunked\r\n",
        b"0\r\n\r\n",
    ),
    (
        "chunked after a bare carriage return",
        b"X-A: b\rTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
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

pub(super) fn add(cases: &mut Vec<Case>) {
    let doubtful = DOUBTFUL
        .iter()
        .map(|(name, fields, body)| (*name, *fields, *body, true, MALFORMED_REQUEST));
    let mangled = MANGLED
        .iter()
        .map(|(name, fields, body)| (*name, *fields, *body, true, MALFORMED));
    for (name, fields, body, hides, outcome) in CLEAR.iter().copied().chain(doubtful).chain(mangled) {
        let hidden = if hides { HIDDEN } else { b"" };
        let parts: &[&[u8]] = &[b"POST /x HTTP/1.1\r\n", OWN_FIELDS, fields, b"\r\n", body, hidden];
        cases.push(Case::new("framing", name, parts, outcome.verdict()));
    }
    for (name, head, outcome) in HEADS {
        let case = Case::new("framing", *name, &[head, HIDDEN], outcome.verdict());
        // Where line ends are not what they should be, the end of the block may never be found.
        cases.push(Case {
            breaks_off: true,
            ..case
        });
    }
}
