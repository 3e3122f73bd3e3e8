//! A Cookie field: no reader, however lenient, finds a session in what goes on to a page, and nothing goes on to an API.

#![no_main]

use igny8_contract::standing::StandingNeed;
use igny8_proxy::policy::cookies::{CookieRules, rebuild};
use igny8_proxy::policy::framing;
use igny8_proxy::policy::route::{Authorization, EdgeRules, OnSuperuserSession, Route, RouteKind, RouteSessions};
use libfuzzer_sys::fuzz_target;

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

/// The names that Python's http.cookies, PHP, Rack or a browser might take for a session.
fn is_session(name: &str) -> bool {
    let folded = name
        .trim()
        .trim_matches('"')
        .to_lowercase()
        .replace(['.', ' ', '['], "_");
    matches!(folded.as_str(), "sessionid" | "__host-sessionid" | "__secure-sessionid")
}

fuzz_target!(|bytes: &[u8]| {
    let block = [b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: ", bytes, b"\r\n\r\n"].concat();
    let Ok(framed) = framing::parse(&block) else { return };
    let rules = CookieRules::new(&["sessionid".to_owned()]);
    let page = rebuild(&framed, &route(RouteKind::Page), &rules);
    let forward: String = page.forward.iter().map(|byte| char::from(*byte)).collect();
    for text in [forward, String::from_utf8_lossy(&page.forward).into_owned()] {
        for pair in text.split(';') {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            assert!(!is_session(name), "{text:?}");
            // Some readers end a value at a comma or at white space.
            for (name, _) in value.split([',', ' ', '\t']).skip(1).filter_map(|word| word.split_once('=')) {
                assert!(!is_session(name), "{text:?}");
            }
        }
    }
    assert!(rebuild(&framed, &route(RouteKind::Api), &rules).forward.is_empty());
    let admin = rebuild(&framed, &route(RouteKind::Admin), &rules);
    let sessions = admin.forward.split(|byte| *byte == b';').filter(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        is_session(&String::from_utf8_lossy(name))
    });
    assert!(sessions.count() <= 1, "two sessions reach the panel");
});
