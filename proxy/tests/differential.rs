//! What goes upstream, read by those who stand there: Django's own cookie parser and path handling, Node's URL parser, and
//! two WSGI servers' folding of fields.
//! Made-up requests, as many as `IGNY8_TEST_LONG` allows.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use bytes::BytesMut;
use igny8_contract::headers;
use igny8_contract::standing::StandingNeed;
use igny8_proxy::policy::cookies::{CookieRules, rebuild};
use igny8_proxy::policy::edits::write_block;
use igny8_proxy::policy::framing;
use igny8_proxy::policy::path::canonicalize;
use igny8_proxy::policy::route::{Authorization, EdgeRules, OnSuperuserSession, Route, RouteKind, RouteSessions};
use igny8_testkit::django::python;
use igny8_testkit::process::repository;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

fn count() -> usize {
    if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        200_000
    } else {
        4_000
    }
}

/// Values of a strategy, the same in every run.
fn made_up<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count())
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// Gives a reader one line and reads one back.
fn ask(mut command: Command, line: &Value) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = format!("{line}\n");
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the reader failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn script(program: impl AsRef<std::ffi::OsStr>, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(repository().join("proxy/tests/differential").join(name));
    command
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn route(kind: RouteKind) -> Route {
    Route {
        prefix: "/x".into(),
        kind,
        upstream: 0,
        scope: None,
        standing: StandingNeed::Required,
        authorization: Authorization::Drop,
        cookies_allow: Vec::new(),
        hosts: Vec::new(),
        on_superuser_session: OnSuperuserSession::Revoke,
        sessions: RouteSessions::Never,
        max_body_bytes: 0,
        stream: false,
        edge: EdgeRules::default(),
    }
}

/// Cookie fields: sessions spelled in every way, ordinary pairs, quotes, blanks of all kinds, and noise.
fn cookie_fields() -> impl Strategy<Value = Vec<u8>> {
    let blank = prop::sample::select(vec![
        &b""[..],
        b" ",
        b"\t",
        b"\xc2\xa0",
        b"\xa0",
        b"\x85",
        b"\xe2\x80\x83",
        b"  ",
    ]);
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            &b"sessionid"[..], b"SESSIONID", b"sess%69onid", b"__Host-sessionid", b"__Secure-sessionid", b"\"sessionid\"",
            b"sessionid[]", b"session.id", b"xsessionid", b"sessionid2", b"sessionid\x00",
        ]).prop_map(<[u8]>::to_vec),
        3 => "[a-z]{1,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>().prop_filter("a byte that a field may hold", |byte| {
            !matches!(byte, 0..=8 | 10..=31 | 127)
        }), 0..4),
    ];
    let value = prop_oneof![
        "[a-z0-9]{0,8}".prop_map(String::into_bytes),
        Just(b"\"1; sessionid=2\"".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"a=b".to_vec()),
        Just(b"\"\\073 sessionid=3\"".to_vec()),
    ];
    let pair = (
        blank.clone(),
        name,
        blank.clone(),
        prop::sample::select(vec![&b"="[..], b"", b"=="]),
        blank,
        value,
    )
        .prop_map(|(before, name, after, equals, gap, value)| [before, &name, after, equals, gap, &value].concat());
    let separator = prop::sample::select(vec![&b"; "[..], b";", b" ; ", b",", b";;"]);
    prop::collection::vec((pair, separator), 0..6).prop_map(|pairs| {
        pairs
            .into_iter()
            .flat_map(|(pair, after)| [pair, after.to_vec()].concat())
            .collect()
    })
}

/// A Cookie field as Django reads it: its dict, and every pair as it splits and strips them.
type CookiesRead = (BTreeMap<String, String>, Vec<(String, String)>);

#[test]
fn django_finds_no_session_in_what_goes_to_a_page_and_nothing_that_was_not_sent() {
    let rules = CookieRules::new(&["sessionid".to_owned()]);
    let fields = made_up(cookie_fields());
    let (mut sent, mut forwarded, mut to_admin) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields {
        let block = [b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: ", field.as_slice(), b"\r\n\r\n"].concat();
        let Ok(framed) = framing::parse(&block) else { continue };
        sent.push(latin1(field));
        forwarded.push(latin1(&rebuild(&framed, &route(RouteKind::Page), &rules).forward));
        to_admin.push(latin1(&rebuild(&framed, &route(RouteKind::Admin), &rules).forward));
        assert!(rebuild(&framed, &route(RouteKind::Api), &rules).forward.is_empty());
    }
    assert!(
        sent.len() > count() / 3,
        "only {} of {} were well-formed",
        sent.len(),
        count()
    );
    let read = |fields: &[String]| -> Vec<CookiesRead> {
        let told = ask(script(python(), "django_reads.py"), &json!({"cookies": fields}));
        serde_json::from_value(told).unwrap()
    };
    let (as_sent, at_page, at_admin) = (read(&sent), read(&forwarded), read(&to_admin));
    let (mut sessions_sent, mut kept) = (0, 0);
    for (index, (page, _)) in at_page.iter().enumerate() {
        let (original, pairs) = &as_sent[index];
        sessions_sent += usize::from(original.contains_key("sessionid"));
        let shown = (&sent[index], &forwarded[index]);
        assert!(!page.contains_key("sessionid"), "{shown:?}");
        for (name, value) in page {
            kept += 1;
            // Django unquotes values; what it made of this one before, it makes of it now.
            let same = pairs.iter().any(|(sent_name, _)| sent_name == name);
            assert!(same, "{shown:?}: {name}={value} was never sent");
        }
        let panel: Vec<_> = at_admin[index]
            .1
            .iter()
            .filter(|(name, _)| name == "sessionid")
            .collect();
        assert!(panel.len() <= 1, "two sessions reach the panel: {:?}", to_admin[index]);
    }
    assert!(
        sessions_sent > 100 && kept > 100,
        "{sessions_sent} sessions, {kept} cookies: the test is blind"
    );
}

/// Cookie fields of words that only a reader who ends a value at white space takes for pairs.
fn fields_of_words() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["sessionid", "locale", "jwt", "a", "SESSIONID", "", "\"1\""]);
    let equals = prop::sample::select(vec!["=", "=", "=", " =", "= ", "\t=\t", ""]);
    let value = prop::sample::select(vec!["1", "x", "\"1\"", "", "b=c", "\"", "\"a b\""]);
    let separator = prop::sample::select(vec!["; ", ";", "; ", " ", "\t", ",", ", ", "  "]);
    let word = (name, equals, value, separator)
        .prop_map(|(name, equals, value, separator)| [name, equals, value, separator].concat());
    prop::collection::vec(word, 1..6).prop_map(|words| words.concat())
}

#[test]
fn python_finds_no_session_in_what_goes_to_a_page_and_nothing_unnamed_in_what_goes_to_an_api() {
    let rules = CookieRules::new(&["sessionid".to_owned()]);
    let api = Route {
        cookies_allow: vec!["locale".to_owned()],
        ..route(RouteKind::Api)
    };
    let (mut sent, mut to_page, mut to_api) = (Vec::new(), Vec::new(), Vec::new());
    for field in made_up(fields_of_words()) {
        let block = format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: {field}\r\n\r\n");
        let framed = framing::parse(block.as_bytes()).unwrap();
        to_page.push(latin1(&rebuild(&framed, &route(RouteKind::Page), &rules).forward));
        to_api.push(latin1(&rebuild(&framed, &api, &rules).forward));
        sent.push(field);
    }
    let read = |fields: &[String]| -> Vec<Vec<String>> {
        let told = ask(script(python(), "django_reads.py"), &json!({"morsels": fields}));
        serde_json::from_value(told).unwrap()
    };
    let has = |names: &Vec<String>, name: &str| names.iter().any(|found| found == name);
    let (as_sent, at_page, at_api) = (read(&sent), read(&to_page), read(&to_api));
    let sessions = as_sent.iter().filter(|names| has(names, "sessionid")).count();
    let kept = at_page.iter().filter(|names| !names.is_empty()).count();
    let allowed = at_api.iter().filter(|names| has(names, "locale")).count();
    assert!(
        sessions > 100 && kept > 100 && allowed > 20,
        "{sessions} sessions, {kept} and {allowed} fields: the test is blind"
    );
    for (place, field) in sent.iter().enumerate() {
        assert!(!has(&at_page[place], "sessionid"), "{field:?}: {:?}", to_page[place]);
        let unnamed = at_api[place].iter().find(|name| *name != "locale");
        assert_eq!(unnamed, None, "{field:?}: {:?}", to_api[place]);
    }
}

#[test]
fn an_ordinary_cookie_reaches_django_as_it_was_sent() {
    let rules = CookieRules::new(&["sessionid".to_owned()]);
    let pairs = prop::collection::vec(("[a-zA-Z][a-zA-Z0-9_-]{0,6}", "[!#-+.-:<-~]{0,8}"), 1..5);
    let fields: Vec<String> = made_up(pairs)
        .into_iter()
        .map(|pairs| {
            let pairs: Vec<String> = pairs
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join("; ")
        })
        .collect();
    let forwarded: Vec<String> = fields
        .iter()
        .map(|field| {
            let block = format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: {field}\r\n\r\n");
            latin1(
                &rebuild(
                    &framing::parse(block.as_bytes()).unwrap(),
                    &route(RouteKind::Page),
                    &rules,
                )
                .forward,
            )
        })
        .collect();
    let told = |fields: &[String]| ask(script(python(), "django_reads.py"), &json!({"cookies": fields}));
    assert_eq!(told(&fields), told(&forwarded));
}

/// Targets: plain segments, escapes of every kind, dots, slashes, and noise.
fn targets() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-zA-Z0-9_~.-]{1,4}",
        3 => "%[0-9a-fA-F]{2}",
        1 => Just("%c3%a9".to_owned()),
        1 => Just("%E2%82%AC".to_owned()),
        1 => prop::sample::select(vec!["%2f", "%2e", "%5c", "%00", "%25", "..", ".", "//", ";", "\\", ":", "@", "%"]).prop_map(str::to_owned),
        2 => Just("/".to_owned()),
        1 => "[!$&'()*+,=:@]{1,2}",
    ];
    prop::collection::vec(part, 0..10).prop_map(|parts| format!("/{}", parts.concat()))
}

#[test]
fn django_and_node_read_a_canonical_path_as_the_rules_did_and_decode_it_once() {
    let targets = made_up(targets());
    let accepted: Vec<(&str, String)> = targets
        .iter()
        .filter_map(|target| Some((target.as_str(), canonicalize(target.as_bytes()).ok()?.path.into_owned())))
        .collect();
    assert!(
        accepted.len() > count() / 20,
        "only {} of {} were accepted",
        accepted.len(),
        count()
    );
    let canonical: Vec<&str> = accepted.iter().map(|(_, path)| path.as_str()).collect();
    let originals: Vec<&str> = accepted.iter().map(|(target, _)| *target).collect();
    let django = |paths: &[&str]| -> Vec<String> {
        let told = ask(script(python(), "django_reads.py"), &json!({"paths": paths}));
        serde_json::from_value(told).unwrap()
    };
    let (now, before) = (django(&canonical), django(&originals));
    let node: Vec<(String, Vec<String>)> =
        serde_json::from_value(ask(script("node", "node_reads.js"), &json!(canonical))).unwrap();
    for (index, path) in canonical.iter().enumerate() {
        let again = canonicalize(path.as_bytes()).unwrap();
        assert_eq!(again.path, *path, "not its own canonical form");
        assert_eq!(
            now[index], before[index],
            "{path} is another resource than {}",
            originals[index]
        );
        // Decoded by whoever routes, it has the same segments as the rules saw.
        let segments = path.split('/').count();
        assert_eq!(now[index].split('/').count(), segments, "{path}");
        assert!(
            !now[index].split('/').any(|segment| matches!(segment, "." | "..")),
            "{path}"
        );
        let (parsed, decoded) = &node[index];
        assert_eq!(parsed, path, "Node reads another path");
        let bytes: String = latin1(decoded.join("/").as_bytes());
        assert_eq!(bytes, now[index], "{path}: Node and Django decode it differently");
    }
}

/// Header blocks: names of the proxy's own in every case, their aliases, ordinary names, several times each.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "X-Account-Id",
        "X-User-Id",
        "X-User-Role",
        "X-Igny8-Edge",
        "X-Forwarded-For",
        "X-Real-Ip",
        "Remote-User",
        "Script-Name",
        "X-A",
        "X-A-B",
        "XA-B",
        "Accept",
        "Accept-Language",
        "Via",
    ]);
    let spelled = (known, any::<u32>(), 0..100_u8).prop_map(|(name, bits, alias)| {
        let letters = name.bytes().enumerate().map(|(at, byte)| match byte {
            b'-' if alias < 2 => b"_."[usize::from(alias)],
            _ if bits >> (at % 32) & 1 == 1 => byte.to_ascii_uppercase(),
            _ => byte.to_ascii_lowercase(),
        });
        letters.collect::<Vec<u8>>()
    });
    let made = "[A-Za-z][A-Za-z0-9-]{0,8}".prop_map(String::into_bytes);
    let blank = prop::sample::select(vec![&b""[..], b" ", b"\t", b"  "]);
    let value = "[ -~]{0,6}".prop_map(String::into_bytes);
    let line = (prop_oneof![4 => spelled, 1 => made], blank.clone(), value, blank)
        .prop_map(|(name, before, value, after)| [name.as_slice(), b":", before, &value, after, b"\r\n"].concat());
    prop::collection::vec(line, 1..8).prop_map(|lines| {
        [
            b"GET /x HTTP/1.1\r\nHost: a\r\n".to_vec(),
            lines.concat(),
            b"\r\n".to_vec(),
        ]
        .concat()
    })
}

/// The fields of a block as WSGI names them, by the rules' own reading; values of one name are put together with `joint`.
fn folded(block: &[u8], joint: &str) -> BTreeMap<String, String> {
    let mut map: BTreeMap<String, String> = BTreeMap::new();
    for field in &framing::parse(block).unwrap().fields {
        let name = latin1(field.name).to_ascii_uppercase().replace('-', "_");
        let value = latin1(field.value);
        map.entry(name)
            .and_modify(|all| *all = format!("{all}{joint}{value}"))
            .or_insert(value);
    }
    map
}

#[test]
fn wsgi_servers_fold_fields_into_what_the_rules_saw_and_an_account_is_ours_alone() {
    let (route, blocks) = (route(RouteKind::Page), made_up(blocks()));
    let mut forwarded = Vec::new();
    let mut claimed = 0;
    for block in &blocks {
        let Ok(framed) = framing::parse(block) else { continue };
        let mut out = BytesMut::new();
        let canonical = canonicalize(framed.target).unwrap();
        write_block(
            &mut out,
            &framed,
            &canonical,
            &route,
            false,
            b"",
            &[(headers::ACCOUNT_ID, b"7")],
        );
        claimed += usize::from(framed.fields.iter().any(|field| headers::is_owned(field.name)));
        forwarded.push(out.to_vec());
    }
    assert!(
        forwarded.len() > count() / 3 && claimed > count() / 10,
        "{} of {} were well-formed, {claimed} claimed something",
        forwarded.len(),
        count()
    );
    let texts: Vec<String> = forwarded.iter().map(|block| latin1(block)).collect();
    let told = ask(script(python(), "wsgi_reads.py"), &json!(texts));
    let told: Vec<[Option<BTreeMap<String, String>>; 2]> = serde_json::from_value(told).unwrap();
    assert_eq!(told.len(), forwarded.len());
    for ((block, text), [standard, waitress]) in forwarded.iter().zip(&texts).zip(told) {
        assert_eq!(
            standard.as_ref(),
            Some(&folded(block, ",")),
            "the standard library's server: {text:?}"
        );
        assert_eq!(waitress, Some(folded(block, ", ")), "waitress: {text:?}");
        let owned = |name: &str| headers::is_owned(name.replace('_', "-").as_bytes());
        let identity: Vec<_> = standard.into_iter().flatten().filter(|(name, _)| owned(name)).collect();
        assert_eq!(identity, [("X_ACCOUNT_ID".to_owned(), "7".to_owned())], "{text:?}");
    }
}
