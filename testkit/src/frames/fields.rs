//! Fields, paths and bodies in raw HPACK and frames: what HTTP/1 could not have said, or would have said in another way.

use super::rows::Fate::{Harmless, Refused, Served};
use super::rows::{Own, Rows};
use super::{field, flag, frame, kind, request};

/// Fields with bytes in them that a line of HTTP/1 could not carry, or that say two things.
pub(super) fn add_fields(rows: &mut Rows) {
    for (name, field_name, value) in [
        ("a line end in a value", &b"x-a"[..], &b"b\r\nx-account-id: 666"[..]),
        ("a line feed in a value", b"x-a", b"b\nx-account-id: 666"),
        ("NUL in a value", b"x-a", b"b\0"),
        ("a line end in a name", b"x-a: b\r\nx-account-id", b"666"),
        ("a colon in a name", b"x-account-id:", b"666"),
        ("a blank in a name", b"x-account-id ", b"666"),
        ("a name beyond ASCII", b"x-\xffaccount-id", b"666"),
        ("an upper-case name", b"X-Account-Id", b"666"),
        ("an upper-case Cookie", b"Cookie", b"sessionid=root1"),
        ("a second path", b":path", b"/admin/"),
        ("a second method", b":method", b"DELETE"),
        ("a second scheme", b":scheme", b"http"),
        ("a second authority", b":authority", b"evil.example"),
        ("an upper-case pseudo field", b":Path", b"/admin/"),
        ("connection", b"connection", b"x-account-id"),
        ("transfer-encoding", b"transfer-encoding", b"chunked"),
        ("upgrade", b"upgrade", b"h2c"),
        ("keep-alive", b"keep-alive", b"timeout=5"),
        ("proxy-connection", b"proxy-connection", b"close"),
        ("te that is more than trailers", b"te", b"trailers, deflate"),
        ("a length where nothing follows", b"content-length", b"5"),
        ("an alias of an account's field", b"x_account_id", b"666"),
        ("an alias of the cookie", b"cookie_", b"sessionid=root1"),
    ] {
        rows.block(name, Refused, field(field_name, value));
    }
    rows.block(
        "two lengths",
        Refused,
        [field(b"content-length", b"0"), field(b"content-length", b"5")].concat(),
    );
    rows.block("an account's field", Served, field(b"x-account-id", b"666"));
    rows.block("te for trailers", Served, field(b"te", b"trailers"));
}

/// A session in pieces: the crumbs are one cookie before anything looks at them.
pub(super) fn add_crumbs(rows: &mut Rows) {
    let crumbs: [(&str, &[&[u8]]); 7] = [
        ("a session in crumbs", &[b"a=1", b"sessionid=user1", b"b=2"]),
        ("a crumb with two pairs", &[b"a=1; sessionid=user1"]),
        (
            "a session's name in one crumb and its value in the next",
            &[b"sessionid", b"=user1"],
        ),
        ("half a name in each crumb", &[b"sess", b"ionid=user1"]),
        ("a crumb with an open quote", &[b"a=\"1", b"sessionid=user1\""]),
        ("an empty crumb before a session", &[b"", b"sessionid=user1"]),
        ("a crumb that ends in a semicolon", &[b"a=1;", b"sessionid =user1"]),
    ];
    let block = |crumbs: &[&[u8]]| -> Vec<u8> { crumbs.iter().flat_map(|crumb| field(b"cookie", crumb)).collect() };
    for (name, crumbs) in crumbs {
        rows.block(name, Served, block(crumbs));
    }
    let root: [&[u8]; 2] = [b"a=1", b"sessionid=root-crumbs"];
    rows.block("crumbs of an administrator", Refused, block(&root));
}

/// Paths and methods with bytes in them that a request line could not carry, or that have two readings.
pub(super) fn add_lines(rows: &mut Rows) {
    for (name, path) in [
        (
            "a line end in the path",
            &b"/page HTTP/1.1\r\nX-Account-Id: 666\r\n\r\n"[..],
        ),
        ("NUL in the path", b"/admin\0"),
        ("a blank in the path", b"/page x"),
        ("a byte beyond ASCII in the path", b"/\xff"),
        ("a byte beyond ASCII in the query", b"/page?\xff"),
        ("no slash in the path", b"admin/"),
        ("two slashes in the path", b"//admin/"),
        ("an escaped slash in the path", b"/admin%2f"),
        ("dots in the path", b"/public/../admin/"),
        ("a backslash in the path", b"/\\admin/"),
        ("a semicolon in the path", b"/admin;x/"),
        ("an address in the path", b"https://evil.example/admin/"),
        ("a star in the path", b"*"),
    ] {
        rows.frames(name, Refused, |own, mark| {
            vec![request(1, &own.block("GET", path, mark, &[]))]
        });
    }
    // h2 drops a fragment before anybody here sees it: what is decided on, and what arrives, is the path before it.
    rows.frames("a fragment in the path", Served, |own, mark| {
        vec![request(1, &own.block("GET", b"/page#/admin/", mark, &[]))]
    });
    for (name, method) in [
        ("a line end in the method", "GET /admin/ HTTP/1.1\r\n"),
        ("a blank in the method", "GET /admin/"),
        ("a lower-case method", "get"),
        ("TRACE", "TRACE"),
        ("CONNECT with a path", "CONNECT"),
        ("no letters in the method", ""),
    ] {
        rows.frames(name, Refused, |own, mark| {
            vec![request(1, &own.block(method, b"/page", mark, &[]))]
        });
    }
}

/// Bodies that are not as long as they were said to be, and trailers.
pub(super) fn add_bodies(rows: &mut Rows) {
    let post = |own: &Own, mark: &str, more: &[(&[u8], &[u8])]| {
        frame(
            kind::HEADERS,
            flag::END_HEADERS,
            1,
            &own.block("POST", b"/public/x", mark, more),
        )
    };
    let data = |flags: u8, bytes: &[u8]| frame(kind::DATA, flags, 1, bytes);
    for (name, length, body) in [
        ("a body longer than its length", &b"3"[..], &b"hello"[..]),
        ("a body shorter than its length", b"9", b"hello"),
    ] {
        // Its header block may have gone on by then; that no whole body arrives is looked at below.
        rows.frames(name, Harmless, |own, mark| {
            vec![
                post(own, mark, &[(b"content-length", length)]),
                data(flag::END_STREAM, body),
            ]
        });
    }
    for (name, length) in [
        ("a length with a plus", &b"+5"[..]),
        ("a length with zeros", b"005"),
        ("a length twice in one", b"5, 5"),
    ] {
        rows.frames(name, Refused, |own, mark| {
            vec![
                post(own, mark, &[(b"content-length", length)]),
                data(flag::END_STREAM, b"hello"),
            ]
        });
    }
    rows.frames("padding longer than the data", Harmless, |own, mark| {
        vec![
            post(own, mark, &[]),
            data(flag::END_STREAM | flag::PADDED, b"\xffhello"),
        ]
    });
    for (name, trailers) in [
        ("a session in trailers", field(b"cookie", b"sessionid=root1")),
        ("an account in trailers", field(b"x-account-id", b"666")),
        ("a path in trailers", field(b":path", b"/admin/")),
        ("a length in trailers", field(b"content-length", b"100")),
    ] {
        rows.frames(name, Harmless, |own, mark| {
            let end = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &trailers);
            vec![post(own, mark, &[]), data(flag::NONE, b"hello"), end]
        });
    }
    rows.frames("trailers that do not end the stream", Harmless, |own, mark| {
        let middle = frame(kind::HEADERS, flag::END_HEADERS, 1, &field(b"x-a", b"b"));
        vec![
            post(own, mark, &[]),
            data(flag::NONE, b"hello"),
            middle,
            data(flag::END_STREAM, b"more"),
        ]
    });
}
