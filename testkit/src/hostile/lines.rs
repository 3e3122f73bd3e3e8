//! Request lines, methods, versions and hosts.

use super::{BAD_HOST, Case, MALFORMED, MALFORMED_REQUEST, METHOD, OWN_FIELDS, Outcome, Row};
use Outcome::{Harmless, Refused, To};

const METHOD_OR_LINE: Outcome = Refused(&["method_not_allowed", "malformed_request"]);
const HOST_OR_LINE: Outcome = Refused(&["bad_host", "malformed_request"]);

/// Whole request lines.
const LINES: &[Row] = &[
    ("PUT", b"PUT /x HTTP/1.1", To("/x")),
    ("PATCH", b"PATCH /x HTTP/1.1", To("/x")),
    ("DELETE", b"DELETE /x HTTP/1.1", To("/x")),
    ("OPTIONS", b"OPTIONS /x HTTP/1.1", Harmless),
    ("CONNECT with a path", b"CONNECT /admin/ HTTP/1.1", METHOD),
    (
        "CONNECT with an authority",
        b"CONNECT 127.0.0.1:80 HTTP/1.1",
        Refused(&["method_not_allowed", "malformed_path"]),
    ),
    ("TRACE", b"TRACE /x HTTP/1.1", METHOD),
    ("TRACK", b"TRACK /x HTTP/1.1", METHOD),
    ("a method that nobody knows", b"BREW /x HTTP/1.1", METHOD),
    ("a method of WebDAV", b"PROPFIND /x HTTP/1.1", METHOD),
    ("a lower-case method", b"get /x HTTP/1.1", METHOD_OR_LINE),
    ("a mixed-case method", b"Get /x HTTP/1.1", METHOD_OR_LINE),
    ("a method with a hyphen", b"X-GET /x HTTP/1.1", METHOD),
    ("a method with a colon", b"GET: /x HTTP/1.1", MALFORMED_REQUEST),
    ("a method with a bracket", b"GET( /x HTTP/1.1", MALFORMED_REQUEST),
    ("a method with a NUL", b"GET\0 /x HTTP/1.1", MALFORMED_REQUEST),
    ("no method", b" /x HTTP/1.1", MALFORMED_REQUEST),
    ("two blanks before the target", b"GET  /x HTTP/1.1", MALFORMED),
    ("two blanks after the target", b"GET /x  HTTP/1.1", MALFORMED),
    ("a tab before the target", b"GET\t/x HTTP/1.1", MALFORMED_REQUEST),
    ("a tab after the target", b"GET /x\tHTTP/1.1", MALFORMED),
    ("a blank at the end of the line", b"GET /x HTTP/1.1 ", MALFORMED),
    ("a second version", b"GET /x HTTP/1.1 HTTP/1.1", MALFORMED),
    ("no version", b"GET /x", MALFORMED_REQUEST),
    ("no target", b"GET HTTP/1.1", MALFORMED_REQUEST),
    ("an empty target", b"GET  HTTP/1.1", MALFORMED_REQUEST),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0", MALFORMED_REQUEST),
    ("version 2.0", b"GET /x HTTP/2.0", MALFORMED_REQUEST),
    ("version 0.9", b"GET /x HTTP/0.9", MALFORMED_REQUEST),
    ("version 1.2", b"GET /x HTTP/1.2", Harmless),
    ("version 1.10", b"GET /x HTTP/1.10", MALFORMED_REQUEST),
    ("version 1", b"GET /x HTTP/1", MALFORMED_REQUEST),
    ("a lower-case version", b"GET /x http/1.1", MALFORMED_REQUEST),
    ("another protocol", b"GET /x ICY/1.1", MALFORMED_REQUEST),
    ("a bare carriage return within", b"GET /x\rY HTTP/1.1", MALFORMED),
    (
        "a bare carriage return at the end",
        b"GET /x HTTP/1.1\r",
        MALFORMED_REQUEST,
    ),
    ("version 1.0", b"GET /x HTTP/1.0", To("/x")),
];

/// Values of the Host field; one that is served is asked for by the port of the address.
pub(super) const HOSTS: &[Row] = &[
    ("a name that is served", b"localhost", To("/x")),
    ("a name that is served, in upper case", b"LOCALHOST", To("/x")),
    ("a name that is served, with a port", b"localhost:80", To("/x")),
    ("a name that is served, with a dot at its end", b"localhost.", To("/x")),
    ("nothing", b"", BAD_HOST),
    ("a name that is not served", b"other.example", BAD_HOST),
    ("a name that ends like one that is", b"xlocalhost", BAD_HOST),
    (
        "a name that begins like one that is",
        b"localhost.other.example",
        BAD_HOST,
    ),
    ("two dots at the end", b"localhost..", BAD_HOST),
    ("a dot at the start", b".localhost", BAD_HOST),
    ("a dot alone", b".", BAD_HOST),
    ("a port alone", b":80", BAD_HOST),
    ("a port without digits", b"localhost:x", BAD_HOST),
    ("a port out of range", b"localhost:99999", BAD_HOST),
    ("a negative port", b"localhost:-1", BAD_HOST),
    ("two ports", b"localhost:80:80", BAD_HOST),
    ("a path", b"localhost/admin/", BAD_HOST),
    ("a query", b"localhost?x", BAD_HOST),
    ("a fragment", b"localhost#x", BAD_HOST),
    ("credentials", b"localhost@other.example", BAD_HOST),
    ("credentials before it", b"other.example@localhost", BAD_HOST),
    ("a scheme", b"http://localhost", BAD_HOST),
    ("a list", b"localhost, other.example", BAD_HOST),
    ("two names", b"localhost other.example", BAD_HOST),
    ("a short form of the address", b"127.1", BAD_HOST),
    ("the address in hex", b"0x7f.0.0.1", BAD_HOST),
    ("the address as one number", b"2130706433", BAD_HOST),
    ("the address in octal", b"0177.0.0.1", BAD_HOST),
    ("an address of version 6", b"[::1]", BAD_HOST),
    (
        "an address of version 6 that holds the other",
        b"[::ffff:127.0.0.1]",
        BAD_HOST,
    ),
    ("an escape", b"local%68ost", BAD_HOST),
    ("a NUL", b"localhost\0", HOST_OR_LINE),
    ("a byte beyond ASCII", b"localhost\xff", HOST_OR_LINE),
    ("a tab after it", b"localhost\t", To("/x")),
];

/// The fields of a request where its Host would stand.
const HOST_FIELDS: &[Row] = &[
    ("no Host", b"", BAD_HOST),
    (
        "two Hosts",
        b"Host: {HOST}\r\nHost: {HOST}\r\n",
        Refused(&["bad_host", "forbidden_field", "malformed_request"]),
    ),
    (
        "another Host after it",
        b"Host: {HOST}\r\nHost: other.example\r\n",
        Refused(&["bad_host", "forbidden_field"]),
    ),
    (
        "another Host before it",
        b"Host: other.example\r\nhost: {HOST}\r\n",
        Refused(&["bad_host", "forbidden_field"]),
    ),
    (
        "a Host whose name is folded away",
        b"X-A: b\r\n Host: {HOST}\r\n",
        MALFORMED_REQUEST,
    ),
    ("a blank before the colon of Host", b"Host : {HOST}\r\n", MALFORMED),
    (
        "X-Forwarded-Host in place of Host",
        b"X-Forwarded-Host: {HOST}\r\n",
        BAD_HOST,
    ),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    for (name, line, outcome) in LINES {
        cases.push(Case::new(
            "request lines",
            *name,
            &[line, b"\r\n", OWN_FIELDS, b"\r\n"],
            outcome.verdict(),
        ));
    }
    for (name, host, outcome) in HOSTS {
        let parts: &[&[u8]] = &[b"GET /x HTTP/1.1\r\nX-Marker: {MARK}\r\nHost: ", host, b"\r\n\r\n"];
        cases.push(Case::new("hosts", *name, parts, outcome.verdict()));
    }
    for version in ["1.0", "1.1"] {
        for (name, fields, outcome) in HOST_FIELDS {
            let line = format!("GET /x HTTP/{version}\r\nX-Marker: {{MARK}}\r\n");
            let parts: &[&[u8]] = &[line.as_bytes(), fields, b"\r\n"];
            cases.push(Case::new(
                "hosts",
                format!("{name}, HTTP/{version}"),
                parts,
                outcome.verdict(),
            ));
        }
    }
}
