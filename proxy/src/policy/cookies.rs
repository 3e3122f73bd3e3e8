//! Cookies on their way in: the one `Cookie` field that goes upstream is rebuilt from parsed pairs. Pure.
//!
//! Pairs are split at every `;`, whatever quotes stand around it; a pair in whose value a reader that splits at commas or at
//! white space would find a session is dropped. Names are compared as the most lenient reader would: Unicode white space
//! trimmed, escapes decoded, case and PHP's dots folded. What passes, passes byte for byte.

use super::fields::{FieldName, trim};
use super::framing::Framed;
use super::route::{Route, RouteKind};

/// The names that carry a session, and what else the proxy knows of cookies.
#[derive(Clone, Debug)]
pub struct CookieRules {
    names: Vec<SessionName>,
    shortest: usize,
}

/// A name of the drop list.
#[derive(Clone, Debug)]
struct SessionName {
    /// As the operator wrote it: so the app calls it.
    configured: String,
    /// The form in which names are compared.
    folded: String,
}

impl CookieRules {
    /// The drop list, by name, the first [`MAX_NAMES`] of it; prefixed forms are meant as well.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        let names: Vec<SessionName> = names
            .iter()
            .take(MAX_NAMES)
            .map(|name| SessionName {
                configured: name.clone(),
                folded: fold(name.as_bytes()),
            })
            .collect();
        Self {
            shortest: names.iter().map(|name| name.folded.len()).min().unwrap_or(usize::MAX),
            names,
        }
    }

    /// The session cookie that a name, as any framework might read it, means: its configured name.
    #[must_use]
    pub fn session_name(&self, name: &[u8]) -> Option<&str> {
        self.find(name).map(|(_, session)| session.configured.as_str())
    }

    /// The same with its place in the drop list.
    fn find(&self, name: &[u8]) -> Option<(usize, &SessionName)> {
        // Most cookies are ruled out by their length before anything is decoded.
        if name.len() < self.shortest {
            return None;
        }
        // And of the rest, nearly all are spelled plainly and need no decoding.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let same: &dyn Fn(&SessionName) -> bool = if name.iter().all(plain) && !name.starts_with(b"__") {
            &|session| session.folded.as_bytes().eq_ignore_ascii_case(name)
        } else {
            let folded = fold(name);
            &move |session| session.folded == folded
        };
        self.names.iter().enumerate().find(|(_, session)| same(session))
    }

    /// The names of the drop list, as they are configured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| name.configured.as_str())
    }
}

/// How many names a drop list has at most: a bit of a word for each.
pub const MAX_NAMES: usize = u64::BITS as usize;

/// How many session pairs of one request are looked at. A request that brings more of them where they count is refused.
pub const MAX_SESSIONS: usize = 4;

/// What a request's cookies come down to.
#[derive(Debug, Default)]
pub struct Cookies<'a> {
    /// The value of the field that goes upstream; empty when none goes.
    pub forward: Vec<u8>,
    /// Session pairs in their order, at most [`MAX_SESSIONS`], and how many of them there are.
    sessions: [SessionPair<'a>; MAX_SESSIONS],
    session_count: usize,
    /// There were more.
    too_many: bool,
}

impl<'a> Cookies<'a> {
    /// Session pairs in their order, at most [`MAX_SESSIONS`].
    #[must_use]
    pub fn sessions(&self) -> &[SessionPair<'a>] {
        &self.sessions[..self.session_count]
    }

    /// Whether the request brought more sessions than that.
    #[must_use]
    pub const fn has_too_many_sessions(&self) -> bool {
        self.too_many
    }

    /// Lets the one session of the request go on after all, under the name that its source was asked about.
    pub fn pass_session(&mut self) {
        let [session] = &self.sessions[..self.session_count] else {
            return;
        };
        if !self.forward.is_empty() {
            self.forward.extend_from_slice(b"; ");
        }
        self.forward.extend_from_slice(session.name.as_bytes());
        self.forward.push(b'=');
        self.forward.extend_from_slice(session.value);
    }
}

/// A cookie that carries a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionPair<'a> {
    /// As it was brought; where that is no plain name, as it is configured.
    pub name: &'a str,
    /// As it is configured.
    configured: &'a str,
    pub value: &'a [u8],
}

impl<'a> SessionPair<'a> {
    fn new(brought: &'a [u8], session: &'a SessionName, value: &'a [u8]) -> Self {
        let configured = session.configured.as_str();
        let plain = (brought != configured.as_bytes() && is_plain_name(brought)).then_some(brought);
        let name = plain.and_then(|name| std::str::from_utf8(name).ok());
        Self {
            name: name.unwrap_or(configured),
            configured,
            value: unquote(value),
        }
    }

    /// The names under which an app may know the session: as it was brought, and as it is configured where that differs.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(self.name).chain(self.spelled_otherwise().then_some(self.configured))
    }

    /// Whether it was brought under another name than the configured one.
    #[must_use]
    pub fn spelled_otherwise(&self) -> bool {
        self.name != self.configured
    }
}

/// Rebuilds the cookies of a request for its route.
#[must_use]
pub fn rebuild<'a>(framed: &Framed<'a>, route: &Route, rules: &'a CookieRules) -> Cookies<'a> {
    let mut cookies = Cookies::default();
    // The names of the drop list that have come already, by their places: a bit each.
    let mut seen = 0_u64;
    if !framed.has_cookies {
        return cookies;
    }
    for field in framed
        .fields
        .iter()
        .filter(|field| field.name_kind == FieldName::Cookie)
    {
        for pair in field.value.split(|byte| *byte == b';').map(trim) {
            let Some(equals) = memchr::memchr(b'=', pair) else {
                continue;
            };
            let (name, value) = (&pair[..equals], &pair[equals + 1..]);
            let passes = if let Some((place, session)) = rules.find(name) {
                let first = seen & 1 << place == 0;
                seen |= 1 << place;
                if let Some(place) = cookies.sessions.get_mut(cookies.session_count) {
                    *place = SessionPair::new(name, session, trim(value));
                    cookies.session_count += 1;
                } else {
                    cookies.too_many = true;
                }
                first && route.kind == RouteKind::Admin && is_plain_name(name)
            } else {
                is_plain_name(name) && passes(route, name, value)
            };
            if passes && !hides_session(value, rules) {
                if cookies.forward.is_empty() {
                    cookies.forward.reserve(field.value.len());
                } else {
                    cookies.forward.extend_from_slice(b"; ");
                }
                cookies.forward.extend_from_slice(pair);
            }
        }
    }
    cookies
}

/// Whether a pair that carries no session goes upstream. To an API goes what is a single pair to every reader.
fn passes(route: &Route, name: &[u8], value: &[u8]) -> bool {
    match route.kind {
        RouteKind::Admin | RouteKind::Page => true,
        RouteKind::Api | RouteKind::Public => {
            let named = route.cookies_allow.iter().any(|allowed| allowed.as_bytes() == name);
            named && !value.iter().any(ends_value)
        }
    }
}

/// Whether some reader ends a value here: at a comma, as RFC 2965 had it and some servers still do, or at white space, as
/// Python's `http.cookies` does. What is not ASCII may be white space in one encoding or another.
fn ends_value(byte: &u8) -> bool {
    *byte == b',' || !byte.is_ascii_graphic()
}

/// Whether such a reader finds a session behind the value's end.
fn hides_session(value: &[u8], rules: &CookieRules) -> bool {
    // Most values hold nothing that could be a further pair.
    if memchr::memchr(b'=', value).is_none() {
        return false;
    }
    let mut before: &[u8] = b"";
    for (place, word) in value.split(ends_value).enumerate() {
        let name_start = word.iter().take_while(|byte| **byte == b'=').count();
        // White space may stand between the name and its `=`.
        if name_start > 0 && rules.session_name(before).is_some() {
            return true;
        }
        let rest = &word[name_start..];
        let names_session = |equals| rules.session_name(&rest[..equals]).is_some();
        if place > 0 && memchr::memchr(b'=', rest).is_some_and(names_session) {
            return true;
        }
        if !word.is_empty() {
            before = word;
        }
    }
    false
}

/// A name that every reader takes for the same name (RFC 6265, section 4.1.1: a token).
#[must_use]
pub fn is_plain_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| super::fields::is_token(*byte))
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// The form in which names are compared.
fn fold(name: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        rest = after;
        let escaped = match (byte, rest) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &rest[2..];
            }
            None => bytes.push(*byte),
        }
    }
    // A server may read the bytes as UTF-8 or as Latin-1; both have white space that Python's `str.strip` removes.
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let blank = |c: char| c.is_whitespace() || c.is_control() || c == '"';
    let folded = text.trim_matches(blank).to_lowercase().replace(['.', ' ', '['], "_");
    for prefix in ["__host-", "__secure-"] {
        if let Some(bare) = folded.strip_prefix(prefix) {
            return bare.to_owned();
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::super::framing;
    use super::*;
    use igny8_contract::standing::StandingNeed;
    use proptest::prelude::*;

    fn route(kind: RouteKind) -> Route {
        Route {
            prefix: "/x".into(),
            kind,
            upstream: 0,
            scope: None,
            standing: StandingNeed::Required,
            authorization: super::super::route::Authorization::Drop,
            cookies_allow: vec!["locale".into()],
            hosts: Vec::new(),
            on_superuser_session: super::super::route::OnSuperuserSession::Revoke,
            sessions: super::super::route::RouteSessions::Never,
            max_body_bytes: 0,
            stream: false,
            edge: super::super::route::EdgeRules::default(),
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
}
