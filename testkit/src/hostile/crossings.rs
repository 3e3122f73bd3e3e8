//! The tables crossed with each other: what is refused in one place is refused in every other, whatever else a request
//! carries, and what is removed on one route is removed on all.

use super::cookies::{FORMS, Holds};
use super::{Case, FORBIDDEN_FIELD, HIDDEN, OWN_FIELDS, Outcome, Row, Verdict};
use super::{credentials, fields, framing, lines, paths};
use Outcome::{Body, Refused, To};

const SESSION: &[u8] = b"Cookie: sessionid=root1\r\n";
const TOKEN: &[u8] = b"Authorization: Bearer {TOKEN}\r\n";

/// (where, the target, what a request needs to be let through there)
type Place = (&'static str, &'static str, &'static [u8]);

const PAGE: Place = ("on a page", "/x", b"");
const PUBLIC: Place = ("on a public route", "/public/x", b"");
const API: Place = ("on an API route", "/api/v1/x", TOKEN);
const ADMIN: Place = ("on the admin panel", "/admin/", SESSION);

/// Offers to leave HTTP/1.1. No route of the suite takes one: it is dropped and the request goes on.
const UPGRADES: &[Row] = &[
    ("h2c", b"Connection: upgrade\r\nUpgrade: h2c\r\n", To("")),
    ("h2c in upper case", b"Connection: UPGRADE\r\nUPGRADE: H2C\r\n", To("")),
    ("h2c with its settings alone", b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", To("")),
    ("h2c as clients send it", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", FORBIDDEN_FIELD),
    ("a WebSocket", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", To("")),
    ("a WebSocket from our own origin", b"Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{HOST}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", To("")),
    ("a WebSocket of no version", b"Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 0\r\n", To("")),
    ("TLS", b"Connection: upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n", To("")),
    ("two offers", b"Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", To("")),
    ("two connections", b"Connection: upgrade\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", To("")),
    ("an offer before the end", b"Connection: close, upgrade\r\nUpgrade: websocket\r\n", To("")),
    ("nothing", b"Connection: upgrade\r\nUpgrade:\r\n", To("")),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    add_paths(cases);
    add_fields(cases);
    add_hosts(cases);
    add_upgrades(cases);
    add_credentials(cases);
    add_framing(cases);
    add_cookies(cases);
}

/// What an outcome becomes at a place: a refusal stays what it is.
fn at(outcome: Outcome, target: &'static str) -> Outcome {
    match outcome {
        To(_) => To(target),
        Body(_, length) => Body(target, length),
        Refused(codes) => Refused(codes),
        Outcome::Here => Outcome::Here,
        Outcome::Harmless => Outcome::Harmless,
    }
}

/// A path is judged before anything else of its request is, and by the same rule for every method.
fn add_paths(cases: &mut Vec<Case>) {
    for (name, target, outcome) in paths::AMBIGUOUS {
        if !matches!(outcome, Refused(_)) {
            continue;
        }
        let ways: [(&str, &str, &[u8], &[u8]); 4] = [
            (
                "with an administrator's session",
                "GET",
                b"Cookie: sessionid=root-{MARK}\r\n",
                b"",
            ),
            ("without an answer's body", "HEAD", TOKEN, b""),
            (
                "posted with a request in its body",
                "POST",
                b"Content-Length: {LENGTH}\r\n",
                HIDDEN,
            ),
            (
                "put in a chunk",
                "PUT",
                b"Transfer-Encoding: chunked\r\n",
                b"5\r\nhello\r\n0\r\n\r\n",
            ),
        ];
        for (way, method, fields, body) in ways {
            let method = format!("{method} ");
            let parts: &[&[u8]] = &[
                method.as_bytes(),
                target,
                b" HTTP/1.1\r\n",
                OWN_FIELDS,
                fields,
                b"\r\n",
                body,
            ];
            cases.push(Case::new(
                "paths, crossed",
                format!("{name}, {way}"),
                parts,
                outcome.verdict(),
            ));
        }
    }
    for (name, target, outcome) in paths::CANONICAL {
        let To(path) = *outcome else { continue };
        let parts: &[&[u8]] = &[
            b"POST ",
            target,
            b" HTTP/1.1\r\n",
            OWN_FIELDS,
            TOKEN,
            b"Content-Length: 5\r\n\r\nhello",
        ];
        let verdict = Body(path, 5).verdict();
        cases.push(Case::new("paths, crossed", format!("{name}, posted"), parts, verdict));
    }
}

/// Aliases are refused and names of the proxy's own removed wherever they are sent.
fn add_fields(cases: &mut Vec<Case>) {
    let tables = [
        ("field names, crossed", fields::ALIASES),
        ("identity fields, crossed", fields::OWNED),
    ];
    for (family, table) in tables {
        for (name, odd, outcome) in table {
            for (place, target, needs) in [PUBLIC, API, ADMIN] {
                // Beside a token the identity table has them already.
                if target == API.1 && matches!(outcome, To(_)) {
                    continue;
                }
                let line = format!("GET {target} HTTP/1.1\r\n");
                let parts: &[&[u8]] = &[line.as_bytes(), needs, odd, OWN_FIELDS, b"\r\n"];
                let verdict = at(*outcome, target).verdict();
                cases.push(Case::new(family, format!("{name}, {place}"), parts, verdict));
            }
        }
    }
}

/// A host that is not served is not served to anybody.
fn add_hosts(cases: &mut Vec<Case>) {
    for (name, host, outcome) in lines::HOSTS {
        for (place, target, needs) in [API, ADMIN] {
            let line = format!("GET {target} HTTP/1.1\r\nX-Marker: {{MARK}}\r\nHost: ");
            let parts: &[&[u8]] = &[line.as_bytes(), host, b"\r\n", needs, b"\r\n"];
            let verdict = at(*outcome, target).verdict();
            cases.push(Case::new("hosts, crossed", format!("{name}, {place}"), parts, verdict));
        }
    }
}

fn add_upgrades(cases: &mut Vec<Case>) {
    for (name, offer, outcome) in UPGRADES {
        for (place, target, needs) in [PAGE, PUBLIC, API, ADMIN] {
            let line = format!("GET {target} HTTP/1.1\r\n");
            let parts: &[&[u8]] = &[line.as_bytes(), OWN_FIELDS, needs, offer, b"\r\n"];
            let verdict = at(*outcome, target).verdict();
            cases.push(Case::new("upgrades", format!("{name}, {place}"), parts, verdict));
        }
        // What follows the offer is the body that it says it is, never another protocol.
        let parts: &[&[u8]] = &[
            b"POST /x HTTP/1.1\r\n",
            OWN_FIELDS,
            offer,
            b"Content-Length: {LENGTH}\r\n\r\n",
            HIDDEN,
        ];
        let verdict = at(*outcome, "/x").verdict();
        cases.push(Case::new(
            "upgrades",
            format!("{name}, with a request in its body"),
            parts,
            verdict,
        ));
    }
}

/// Where no credential is asked for none that is unproven arrives; where one is refused, so is what its body hides.
fn add_credentials(cases: &mut Vec<Case>) {
    for (name, odd, outcome) in credentials::FIELDS {
        for (place, target, _) in [PAGE, PUBLIC] {
            let line = format!("GET {target} HTTP/1.1\r\n");
            let parts: &[&[u8]] = &[line.as_bytes(), OWN_FIELDS, odd, b"\r\n"];
            cases.push(Case::new(
                "credentials, crossed",
                format!("{name}, {place}"),
                parts,
                Verdict::Harmless,
            ));
        }
        if matches!(outcome, Refused(_)) {
            let length = b"Content-Length: {LENGTH}\r\n\r\n";
            let parts: &[&[u8]] = &[b"POST /api/v1/x HTTP/1.1\r\n", OWN_FIELDS, odd, length, HIDDEN];
            let name = format!("{name}, with a request in its body");
            cases.push(Case::new("credentials, crossed", name, parts, outcome.verdict()));
        }
    }
}

/// Framing is judged before anybody is asked who they are.
fn add_framing(cases: &mut Vec<Case>) {
    let doubtful = framing::DOUBTFUL.iter().map(|row| (row, super::MALFORMED_REQUEST));
    let mangled = framing::MANGLED.iter().map(|row| (row, super::MALFORMED));
    for ((name, odd, body), outcome) in doubtful.chain(mangled) {
        for (place, target, needs) in [API, ADMIN] {
            let line = format!("POST {target} HTTP/1.1\r\n");
            let parts: &[&[u8]] = &[line.as_bytes(), OWN_FIELDS, needs, odd, b"\r\n", body, HIDDEN];
            cases.push(Case::new(
                "framing, crossed",
                format!("{name}, {place}"),
                parts,
                outcome.verdict(),
            ));
        }
    }
}

/// A session that does not belong there takes the whole request with it, body and all.
fn add_cookies(cases: &mut Vec<Case>) {
    for (name, odd, holds) in FORMS {
        if *holds != Holds::Session {
            continue;
        }
        let length = b"Content-Length: {LENGTH}\r\n\r\n";
        let parts: &[&[u8]] = &[b"POST /api/v1/x HTTP/1.1\r\n", odd, OWN_FIELDS, length, HIDDEN];
        let name = format!("{name}, with a request in its body");
        let verdict = Verdict::Refused(&["session_not_allowed"]);
        cases.push(Case::new("cookies, crossed", name, parts, verdict));
    }
}
