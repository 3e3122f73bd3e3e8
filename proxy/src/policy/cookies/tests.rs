use super::super::framing;
use super::*;
use proptest::prelude::*;

fn route(kind: RouteKind) -> Route {
    Route {
        cookies_allow: vec!["locale".into()],
        ..super::super::route::tests::route("/x", kind)
    }
}

/// What goes upstream, and which sessions were seen.
fn run(kind: RouteKind, fields: &[&[u8]]) -> (String, Vec<String>) {
    let mut block = b"GET / HTTP/1.1\r\n".to_vec();
    for field in fields {
        block.extend_from_slice(b"Cookie: ");
        block.extend_from_slice(field);
        block.extend_from_slice(b"\r\n");
    }
    block.extend_from_slice(b"\r\n");
    let framed = framing::parse(&block).unwrap();
    let rules = CookieRules::new(&["sessionid".into()]);
    let cookies = rebuild(&framed, &route(kind), &rules);
    (
        cookies.forward.escape_ascii().to_string(),
        cookies
            .sessions()
            .iter()
            .map(|session| session.value.escape_ascii().to_string())
            .collect(),
    )
}

#[test]
fn an_api_route_gets_no_cookie_but_those_it_names() {
    assert_eq!(
        run(RouteKind::Api, &[b"a=1; sessionid=S; locale=de"]),
        ("locale=de".into(), vec!["S".into()])
    );
    assert_eq!(run(RouteKind::Public, &[b"a=1; csrftoken=t"]).0, "");
}

#[test]
fn every_spelling_that_a_framework_takes_for_a_session_is_dropped_from_pages() {
    let spellings: [&[u8]; 20] = [
        b"sessionid=S",
        b"sessionid =S",
        b"sessionid\t=S",
        b" sessionid=S",
        b"\xa0sessionid=S",
        b"sessionid\xa0=S",
        b"\xc2\xa0sessionid=S",
        b"sessionid\xe2\x80\x83=S",
        b"\x85sessionid=S",
        b"\xe3\x80\x80sessionid=S",
        b"SessionId=S",
        b"__Host-sessionid=S",
        b"__Secure-sessionid=S",
        b"__host-sessionid=S",
        b"%73essionid=S",
        b"sessionid%20=S",
        b"\"sessionid\"=S",
        b"\"sessionid=S",
        b"%C2%A0sessionid=S",
        b"sessionid=\"S\"",
    ];
    for spelling in spellings {
        let field = [b"a=1; ", spelling, b"; b=2"].concat();
        let (forward, sessions) = run(RouteKind::Page, &[&field]);
        assert_eq!(forward, "a=1; b=2", "{}", spelling.escape_ascii());
        assert_eq!(sessions, ["S"], "{}", spelling.escape_ascii());
    }
}

#[test]
fn quotes_hide_nothing_and_pairs_pass_byte_for_byte() {
    let (forward, sessions) = run(RouteKind::Page, &[b"a=\"1; sessionid=S\"; b= x\"y ;;c; =d; e=f=g"]);
    assert_eq!(forward, "a=\\\"1; b= x\\\"y; e=f=g");
    assert_eq!(sessions, ["S\\\""]);
}

#[test]
fn a_comma_or_white_space_hides_no_session_and_harms_no_other_value() {
    for hidden in [
        "a=1,sessionid=2",
        "a=1, sessionid=2",
        "a=,,\tSessionID =2",
        "a=1,b=2,__Host-sessionid=3",
        "a=1,sess%69onid=2",
        "a=1 sessionid=2",
        "a=1\tsessionid=2",
        "a=\"1\" sessionid=2",
        "a=1 \"sessionid\"=2",
        "a=1  sessionid =2",
        "a=1 sessionid\t = 2",
        "a=1 b=2 SESSIONID=3",
        "a= sessionid=2",
        "a=1 ==sessionid=2",
        "a=1\u{a0}sessionid=2",
        "a=1\u{2003}sessionid\u{2003}=2",
    ] {
        assert_eq!(run(RouteKind::Page, &[hidden.as_bytes()]).0, "", "{hidden}");
        assert_eq!(run(RouteKind::Admin, &[hidden.as_bytes()]).0, "", "{hidden}");
    }
    for hidden in ["sessionid=root,sessionid=other", "sessionid=root sessionid=other"] {
        assert_eq!(run(RouteKind::Admin, &[hidden.as_bytes()]).0, "");
    }
    for plain in [
        "a=1,2",
        "a=x,sessionid",
        "a={b:1,c=2}",
        "a=1,xsessionid=2",
        "a=the quick brown fox",
        "a=x sessionid y",
        "a=b = c, d = e",
        "a=sessionid=2",
        "a=1 xsessionid=2",
    ] {
        assert_eq!(run(RouteKind::Page, &[plain.as_bytes()]).0, plain);
    }
}

#[test]
fn what_is_more_than_one_pair_to_some_reader_does_not_go_to_an_api() {
    for kind in [RouteKind::Api, RouteKind::Public] {
        for value in [
            "x sessionid=S",
            "x, jwt=abc",
            "x\tjwt=abc",
            "x,y",
            "x y",
            " jwt=abc",
            "x\u{a0}jwt=abc",
        ] {
            let field = format!("locale={value}; a=1");
            assert_eq!(run(kind, &[field.as_bytes()]).0, "", "{field}");
        }
        assert_eq!(run(kind, &[b"locale=de=x\"y\"; jwt=abc"]).0, "locale=de=x\\\"y\\\"");
    }
}

#[test]
fn several_fields_become_one() {
    assert_eq!(run(RouteKind::Page, &[b"a=1", b"sessionid=S", b"b=2"]).0, "a=1; b=2");
}

#[test]
fn an_admin_route_gets_the_first_of_duplicate_sessions_only() {
    let (forward, sessions) = run(
        RouteKind::Admin,
        &[b"sessionid=A; csrftoken=t; sessionid=B", b"sessionid=C"],
    );
    assert_eq!(forward, "sessionid=A; csrftoken=t");
    assert_eq!(sessions, ["A", "B", "C"]);
    assert_eq!(run(RouteKind::Admin, &[b"\xa0sessionid=X; sessionid=A"]).0, "");
}

#[test]
fn sessions_are_looked_at_up_to_a_number_and_more_of_them_are_told() {
    let rules = CookieRules::new(&["sessionid".into(), "remember".into()]);
    for (count, too_many) in [(0, false), (MAX_SESSIONS, false), (MAX_SESSIONS + 1, true), (100, true)] {
        let pairs: Vec<String> = (0..count)
            .map(|number| format!("{}={number}", ["sessionid", "remember"][number % 2]))
            .collect();
        let block = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", pairs.join("; "));
        let framed = framing::parse(block.as_bytes()).unwrap();
        let cookies = rebuild(&framed, &route(RouteKind::Page), &rules);
        assert_eq!(cookies.has_too_many_sessions(), too_many, "{count}");
        assert_eq!(cookies.sessions().len(), count.min(MAX_SESSIONS));
    }
}

#[test]
fn an_admin_route_gets_the_first_session_of_each_name() {
    let names: Vec<String> = (0..MAX_NAMES).map(|number| format!("session-{number}")).collect();
    let rules = CookieRules::new(&names);
    let brought: Vec<String> = names.iter().map(|name| format!("{name}=1")).collect();
    let again: Vec<String> = names.iter().map(|name| format!("{name}=2")).collect();
    for (first, second) in [(&brought, &again), (&again, &brought)] {
        let block = format!(
            "GET / HTTP/1.1\r\nCookie: {}; {}\r\n\r\n",
            first.join("; "),
            second.join("; ")
        );
        let framed = framing::parse(block.as_bytes()).unwrap();
        let forward = rebuild(&framed, &route(RouteKind::Admin), &rules).forward;
        assert_eq!(String::from_utf8(forward).unwrap(), first.join("; "));
    }
}

#[test]
fn a_source_is_asked_by_the_name_that_was_brought_and_by_the_configured_one() {
    let rules = CookieRules::new(&["sessionid".into(), "connect.sid".into(), "PHPSESSID".into()]);
    for (brought, names) in [
        ("sessionid", &["sessionid"][..]),
        ("connect.sid", &["connect.sid"]),
        ("PHPSESSID", &["PHPSESSID"]),
        ("connect_sid", &["connect_sid", "connect.sid"]),
        ("phpsessid", &["phpsessid", "PHPSESSID"]),
        ("__Secure-sessionid", &["__Secure-sessionid", "sessionid"]),
        ("__Host-connect.sid", &["__Host-connect.sid", "connect.sid"]),
        // What is no plain name cannot be asked by.
        ("\"sessionid\"", &["sessionid"]),
        ("\u{a0}connect.sid", &["connect.sid"]),
        ("connect[sid", &["connect.sid"]),
    ] {
        let block = format!("GET / HTTP/1.1\r\nCookie: a=1; {brought}=S\r\n\r\n");
        let framed = framing::parse(block.as_bytes()).unwrap();
        let mut cookies = rebuild(&framed, &route(RouteKind::Page), &rules);
        let [session] = cookies.sessions() else {
            panic!("{brought}")
        };
        assert_eq!(session.names().collect::<Vec<_>>(), names, "{brought}");
        assert_eq!(session.spelled_otherwise(), names.len() == 2, "{brought}");
        cookies.pass_session();
        let forward = String::from_utf8(cookies.forward).unwrap();
        assert_eq!(forward, format!("a=1; {}=S", names[0]), "{brought}");
    }
}

#[test]
fn names_that_only_contain_the_word_are_not_sessions() {
    assert_eq!(
        run(RouteKind::Page, &[b"xsessionid=1; sessionid2=2; my-sessionid=3"]).0,
        "xsessionid=1; sessionid2=2; my-sessionid=3"
    );
}

proptest! {
    #[test]
    fn what_goes_to_a_page_holds_no_session_however_it_is_split(
        words in proptest::collection::vec("[a-c=;, \t\"\u{a0}%]{0,3}|sessionid|=", 0..12)
    ) {
        let field = words.concat();
        let (forward, _) = run(RouteKind::Page, &[field.as_bytes()]);
        let rules = CookieRules::new(&["sessionid".into()]);
        for pair in forward.split(';') {
            let value = pair.trim().split_once('=').map_or("", |(_, value)| value);
            for words in value.split([',', ' ', '\t']).skip(1).chain([pair]) {
                let name = words.split('=').next().unwrap_or_default();
                prop_assert!(!words.contains('=') || rules.session_name(name.as_bytes()).is_none(), "{forward}");
            }
        }
    }
}
