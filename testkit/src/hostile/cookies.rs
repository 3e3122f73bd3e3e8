//! Every way to write a session cookie that some framework reads as one, on every kind of route.
//!
//! A session whose value begins with `user` belongs to nobody in particular, one that begins with `root` to a superuser.

use super::{Arrival, Case, OWN_FIELDS, Verdict};

/// What a form holds, to the most lenient reader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A session, by Django's reading or by another framework's.
    Session,
    /// No session, but pairs that a page gets.
    Pairs(&'static [(&'static str, &'static str)]),
    /// Not the same to everybody: the app must see no session, and what else it sees does not matter.
    Unclear,
}
use Holds::{Pairs, Session, Unclear};

/// (name, the Cookie fields with their line ends, what they hold)
pub(super) const FORMS: &[(&str, &[u8], Holds)] = &[
    ("plain", b"Cookie: sessionid=user1\r\n", Session),
    ("after another pair", b"Cookie: a=1; sessionid=user1\r\n", Session),
    ("before another pair", b"Cookie: sessionid=user1; a=1\r\n", Session),
    (
        "without blanks between pairs",
        b"Cookie: a=1;sessionid=user1;b=2\r\n",
        Session,
    ),
    ("a blank after the name", b"Cookie: sessionid =user1\r\n", Session),
    ("a tab after the name", b"Cookie: sessionid\t=user1\r\n", Session),
    (
        "two blanks before the name",
        b"Cookie: a=1;  sessionid=user1\r\n",
        Session,
    ),
    ("a tab before the name", b"Cookie: a=1;\tsessionid=user1\r\n", Session),
    (
        "a blank after the equals sign",
        b"Cookie: sessionid= user1\r\n",
        Session,
    ),
    (
        "a no-break space before the name",
        b"Cookie: \xc2\xa0sessionid=user1\r\n",
        Session,
    ),
    (
        "a no-break space after the name",
        b"Cookie: sessionid\xc2\xa0=user1\r\n",
        Session,
    ),
    (
        "an em space after the name",
        b"Cookie: sessionid\xe2\x80\x83=user1\r\n",
        Session,
    ),
    (
        "an em space before the name",
        b"Cookie: a=1; \xe2\x80\x83sessionid=user1\r\n",
        Session,
    ),
    (
        "an ideographic space around the name",
        b"Cookie: \xe3\x80\x80sessionid\xe3\x80\x80=user1\r\n",
        Session,
    ),
    (
        "a line separator after the name",
        b"Cookie: sessionid\xe2\x80\xa8=user1\r\n",
        Session,
    ),
    (
        "a next-line character after the name",
        b"Cookie: sessionid\xc2\x85=user1\r\n",
        Session,
    ),
    (
        "an ogham space after the name",
        b"Cookie: sessionid\xe1\x9a\x80=user1\r\n",
        Session,
    ),
    (
        "a no-break space of another encoding",
        b"Cookie: \xa0sessionid=user1\r\n",
        Unclear,
    ),
    (
        "a next-line character of another encoding",
        b"Cookie: sessionid\x85=user1\r\n",
        Unclear,
    ),
    ("within quotes", b"Cookie: a=\"1; sessionid=user1\"\r\n", Session),
    (
        "within quotes, before another pair",
        b"Cookie: a=\"1; sessionid=user1; b=2\"\r\n",
        Session,
    ),
    ("after an open quote", b"Cookie: a=\"; sessionid=user1\r\n", Session),
    (
        "after an escaped quote",
        b"Cookie: a=\"\\\"; sessionid=user1\"\r\n",
        Session,
    ),
    ("a value in quotes", b"Cookie: sessionid=\"user1\"\r\n", Session),
    ("an empty value", b"Cookie: sessionid=\r\n", Unclear),
    ("two equals signs", b"Cookie: sessionid==user1\r\n", Session),
    ("twice", b"Cookie: sessionid=user1; sessionid=user2\r\n", Session),
    (
        "twice in two fields",
        b"Cookie: sessionid=user1\r\nCookie: sessionid=user2\r\n",
        Session,
    ),
    (
        "in the second field",
        b"Cookie: a=1\r\nCookie: sessionid=user1\r\n",
        Session,
    ),
    (
        "in the first field",
        b"Cookie: sessionid=user1\r\nCookie: a=1\r\n",
        Session,
    ),
    (
        "in the third field",
        b"Cookie: a=1\r\nCookie: b=2\r\nCookie: sessionid=user1\r\n",
        Session,
    ),
    (
        "split over two fields within quotes",
        b"Cookie: a=\"1\r\nCookie: sessionid=user1\"\r\n",
        Session,
    ),
    ("a lower-case field", b"cookie: sessionid=user1\r\n", Session),
    ("an upper-case field", b"COOKIE: sessionid=user1\r\n", Session),
    ("after empty pairs", b"Cookie: ;; ;sessionid=user1;;\r\n", Session),
    (
        "after a pair without a name",
        b"Cookie: =1; sessionid=user1\r\n",
        Session,
    ),
    (
        "after a pair without a value",
        b"Cookie: a; sessionid=user1\r\n",
        Session,
    ),
    (
        "after a version",
        b"Cookie: $Version=1; sessionid=user1; $Path=/\r\n",
        Session,
    ),
    (
        "with the prefix of a host",
        b"Cookie: __Host-sessionid=user1\r\n",
        Session,
    ),
    (
        "with the prefix of TLS",
        b"Cookie: __Secure-sessionid=user1\r\n",
        Session,
    ),
    ("in upper case", b"Cookie: SESSIONID=user1\r\n", Unclear),
    ("in mixed case", b"Cookie: SessionId=user1\r\n", Unclear),
    ("with an escaped letter", b"Cookie: %73essionid=user1\r\n", Unclear),
    ("with an escaped equals sign", b"Cookie: sessionid%3Duser1\r\n", Unclear),
    ("a name in quotes", b"Cookie: \"sessionid\"=user1\r\n", Unclear),
    ("after a comma", b"Cookie: a=1, sessionid=user1\r\n", Unclear),
    ("after a blank", b"Cookie: a=1 sessionid=user1\r\n", Unclear),
    ("after a tab", b"Cookie: a=1\tsessionid=user1\r\n", Unclear),
    (
        "after a value in quotes and a blank",
        b"Cookie: a=\"1\" sessionid =user1\r\n",
        Unclear,
    ),
    (
        "blanks in a value",
        b"Cookie: a=the quick = brown; b=2\r\n",
        Pairs(&[("a", "the quick = brown"), ("b", "2")]),
    ),
    ("a pair without a name", b"Cookie: =sessionid=user1\r\n", Unclear),
    ("a name without a value", b"Cookie: sessionid\r\n", Unclear),
    (
        "a vertical tab after the name",
        b"Cookie: sessionid\x0b=user1\r\n",
        Unclear,
    ),
    (
        "a form feed before the name",
        b"Cookie: \x0csessionid=user1\r\n",
        Unclear,
    ),
    (
        "a file separator after the name",
        b"Cookie: sessionid\x1c=user1\r\n",
        Unclear,
    ),
    (
        "a unit separator before the name",
        b"Cookie: a=1;\x1fsessionid=user1\r\n",
        Unclear,
    ),
    ("a NUL after the name", b"Cookie: sessionid\0=user1\r\n", Unclear),
    ("on a folded line", b"Cookie: a=1;\r\n sessionid=user1\r\n", Unclear),
    (
        "after a bare carriage return",
        b"Cookie: a=1\rCookie: sessionid=user1\r\n",
        Unclear,
    ),
    (
        "after a bare line feed",
        b"Cookie: a=1\nCookie: sessionid=user1\r\n",
        Unclear,
    ),
    (
        "a blank before the colon of the field",
        b"Cookie : sessionid=user1\r\n",
        Unclear,
    ),
    ("Cookie2", b"Cookie2: sessionid=user1\r\n", Unclear),
    ("no session", b"Cookie: a=1; b=2\r\n", Pairs(&[("a", "1"), ("b", "2")])),
    (
        "no session, in two fields",
        b"Cookie: a=1\r\nCookie: b=2\r\n",
        Pairs(&[("a", "1"), ("b", "2")]),
    ),
    (
        "a name that ends like a session's",
        b"Cookie: xsessionid=1\r\n",
        Pairs(&[("xsessionid", "1")]),
    ),
    (
        "a name that begins like a session's",
        b"Cookie: sessionid2=1\r\n",
        Pairs(&[("sessionid2", "1")]),
    ),
    (
        "a name that holds a session's",
        b"Cookie: my-sessionid-x=1\r\n",
        Pairs(&[("my-sessionid-x", "1")]),
    ),
    (
        "a value that looks like a session",
        b"Cookie: a=sessionid=user1\r\n",
        Pairs(&[("a", "sessionid=user1")]),
    ),
    (
        "equals signs in a value",
        b"Cookie: a=b=c==\r\n",
        Pairs(&[("a", "b=c==")]),
    ),
    (
        "escapes in a value",
        b"Cookie: a=%3B%20sessionid%3Duser1\r\n",
        Pairs(&[("a", "%3B%20sessionid%3Duser1")]),
    ),
    (
        "a CSRF token",
        b"Cookie: csrftoken=abc\r\n",
        Pairs(&[("csrftoken", "abc")]),
    ),
];

/// (name, the Cookie fields, what arrives of them on an admin route)
type AdminRow = (&'static str, &'static [u8], &'static [(&'static str, &'static str)]);

/// What stands before the Cookie fields.
const PAGE: &str = "GET /x HTTP/1.1\r\n";
const PAGE_WITH_TOKEN: &str = "GET /x HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n";
const PUBLIC: &str = "GET /public/x HTTP/1.1\r\n";
const API: &str = "GET /api/v1/x HTTP/1.1\r\n";
const API_WITH_TOKEN: &str = "GET /api/v1/x HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n";
const ADMIN: &str = "GET /admin/ HTTP/1.1\r\n";

fn arrival(path: &str, cookies: &[(&str, &str)]) -> Verdict {
    let cookies = cookies
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Verdict::Forwarded(Arrival {
        cookies: Some(cookies),
        ..Arrival::at(path)
    })
}

fn page_verdict(holds: Holds, other_pairs: bool) -> Verdict {
    match holds {
        Pairs(pairs) => arrival("/x", pairs),
        // What goes on beside a session depends on the form; that no session does is looked at in every case.
        Session if other_pairs => Verdict::Forwarded(Arrival::at("/x")),
        Session => arrival("/x", &[]),
        Unclear => Verdict::Harmless,
    }
}

fn bare_verdict(path: &str, holds: Holds) -> Verdict {
    if holds == Unclear {
        Verdict::Harmless
    } else {
        arrival(path, &[])
    }
}

pub(super) fn add(cases: &mut Vec<Case>) {
    for (name, fields, holds) in FORMS {
        let others = fields.windows(2).any(|two| two == b"a=" || two == b"=1");
        let api = match holds {
            Session => Verdict::Refused(&["session_not_allowed"]),
            Pairs(_) => Verdict::Refused(&["credentials_required"]),
            Unclear => Verdict::Harmless,
        };
        let rows = [
            ("cookies on a page", PAGE, page_verdict(*holds, others)),
            (
                "cookies on a page, with a token",
                PAGE_WITH_TOKEN,
                page_verdict(*holds, others),
            ),
            ("cookies on a public route", PUBLIC, bare_verdict("/public/x", *holds)),
            ("cookies on an API route", API, api),
            (
                "cookies on an API route, with a token",
                API_WITH_TOKEN,
                bare_verdict("/api/v1/x", *holds),
            ),
        ];
        for (family, head, verdict) in rows {
            let parts: &[&[u8]] = &[head.as_bytes(), OWN_FIELDS, fields, b"\r\n"];
            let case = Case::new(family, *name, parts, verdict);
            // A bare line end or a fold may leave the block without an end.
            cases.push(Case {
                breaks_off: *holds == Unclear,
                ..case
            });
        }
        add_superuser(cases, name, fields, *holds);
    }
    add_admin(cases);
}

/// The same forms with a superuser's session: one of the case's own, since it is ended on being seen.
fn add_superuser(cases: &mut Vec<Case>, name: &str, fields: &[u8], holds: Holds) {
    if holds != Session {
        return;
    }
    // A pair that begins within quotes ends in one: as a session's key that is nothing, so it is only dropped.
    let closes_a_quote =
        fields.windows(6).any(|six| six == b"user1\"") && !fields.windows(6).any(|six| six == b"\"user1");
    let blocked = if closes_a_quote {
        Verdict::Harmless
    } else {
        Verdict::Refused(&["superuser_session_blocked"])
    };
    let fields = super::replace(fields, b"user", b"root-{MARK}-");
    for (family, head, verdict) in [
        ("a superuser's cookies on a page", PAGE, blocked.clone()),
        ("a superuser's cookies on a public route", PUBLIC, blocked),
        (
            "a superuser's cookies on an API route",
            API,
            Verdict::Refused(&["session_not_allowed"]),
        ),
    ] {
        let parts: &[&[u8]] = &[head.as_bytes(), OWN_FIELDS, &fields, b"\r\n"];
        cases.push(Case::new(family, name, parts, verdict));
    }
}

/// On admin routes the first session goes through, and what else is there.
fn add_admin(cases: &mut Vec<Case>) {
    let rows: [AdminRow; 6] = [
        ("plain", b"Cookie: sessionid=root1\r\n", &[("sessionid", "root1")]),
        (
            "with others",
            b"Cookie: a=1; sessionid=root1; csrftoken=t\r\n",
            &[("a", "1"), ("sessionid", "root1"), ("csrftoken", "t")],
        ),
        (
            "twice",
            b"Cookie: sessionid=root1; sessionid=root2\r\n",
            &[("sessionid", "root1")],
        ),
        (
            "twice in two fields",
            b"Cookie: sessionid=root1\r\nCookie: sessionid=root2; a=1\r\n",
            &[("sessionid", "root1"), ("a", "1")],
        ),
        (
            "twice, the second with a blank",
            b"Cookie: sessionid=root1; sessionid =root2\r\n",
            &[("sessionid", "root1")],
        ),
        (
            "twice, the second within quotes",
            b"Cookie: sessionid=root1; a=\"1; sessionid=root2\"\r\n",
            &[("sessionid", "root1"), ("a", "\"1")],
        ),
    ];
    for (name, fields, cookies) in rows {
        let parts: &[&[u8]] = &[ADMIN.as_bytes(), OWN_FIELDS, fields, b"\r\n"];
        cases.push(Case::new(
            "cookies on an admin route",
            name,
            parts,
            arrival("/admin/", cookies),
        ));
    }
}
