//! What a permitted request and its answer look like after us. Pure.

use super::cookies::CookieRules;
use super::fields::{Field, FieldName, trim};
use super::framing::Framed;
use super::path::Canonical;
use super::route::{Authorization, Route, RouteKind, RouteSessions};
use super::upgrade;
use bytes::{BufMut, BytesMut};
use igny8_contract::{api_key, headers};
use serde::Deserialize;

/// What the proxy tells an upstream of its own, beside the edge signature. A field that is not told is removed all the
/// same when a client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnFields {
    /// `X-Account-Id`
    Account,
    /// `X-User-Id`
    User,
    /// `X-User-Role`
    Role,
    /// `X-Request-Id`
    RequestId,
    /// `X-Forwarded-For`, `-Proto` and `-Host`
    Forwarded,
    /// `traceparent`
    Trace,
}

impl OwnFields {
    /// Every one, the default.
    pub const ALL: [Self; 6] = [
        Self::Account,
        Self::User,
        Self::Role,
        Self::RequestId,
        Self::Forwarded,
        Self::Trace,
    ];
}

/// Which of them an upstream is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnFieldSet(u8);

impl FromIterator<OwnFields> for OwnFieldSet {
    fn from_iter<T: IntoIterator<Item = OwnFields>>(fields: T) -> Self {
        Self(fields.into_iter().fold(0, |set, field| set | 1 << field as u8))
    }
}

impl OwnFieldSet {
    #[must_use]
    pub const fn contains(self, field: OwnFields) -> bool {
        self.0 & (1 << field as u8) != 0
    }
}

/// A field that only the proxy speaks.
pub type OwnField<'a> = (&'static str, &'a [u8]);

/// Writes the header block that goes on: the canonical path, the fields that may pass byte for byte, the rebuilt cookies
/// and the proxy's own fields. Nothing can nominate those away: `Connection` is written anew, and names no field.
/// `token_proven` says that the request's token is what proved its identity.
pub fn write_block(
    out: &mut BytesMut,
    framed: &Framed<'_>,
    canonical: &Canonical<'_>,
    route: &Route,
    token_proven: bool,
    cookies: &[u8],
    own: &[OwnField<'_>],
) {
    out.put_slice(framed.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(canonical.path.as_bytes());
    if let Some(query) = canonical.query {
        out.put_u8(b'?');
        out.put_slice(query.as_bytes());
    }
    out.put_slice(if framed.http10 {
        b" HTTP/1.0\r\n"
    } else {
        b" HTTP/1.1\r\n"
    });
    for field in framed.fields.iter().filter(|field| goes_on(field, route, token_proven)) {
        put_field(out, field.name, field.value);
    }
    if !cookies.is_empty() {
        put_field(out, b"Cookie", cookies);
    }
    for (name, value) in own.iter().filter(|(_, value)| !value.is_empty()) {
        put_field(out, name.as_bytes(), value);
    }
    if upgrade::opens_tunnel(framed, route) {
        out.put_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else if framed.close {
        out.put_slice(b"Connection: close\r\n");
    } else if framed.http10 && framed.keep_alive {
        out.put_slice(b"Connection: keep-alive\r\n");
    }
    out.put_slice(b"\r\n");
}

fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Whether a field of the client goes on as it came.
fn goes_on(field: &Field<'_>, route: &Route, token_proven: bool) -> bool {
    match field.name_kind {
        FieldName::Host
        | FieldName::Origin
        | FieldName::Accept
        | FieldName::ContentType
        | FieldName::ContentLength
        | FieldName::TransferEncoding
        | FieldName::Expect
        | FieldName::Other => true,
        // To an api route only what was verified goes on, whatever the route says. A key never goes on: it is exchanged.
        FieldName::Authorization => {
            let passes = match route.kind {
                RouteKind::Api => token_proven,
                RouteKind::Public | RouteKind::Page | RouteKind::Admin => {
                    matches!(route.authorization, Authorization::Pass)
                }
            };
            passes && !api_key::is_in(field.value)
        }
        FieldName::ApiKey
        | FieldName::Connection
        | FieldName::Upgrade
        | FieldName::Cookie
        | FieldName::Traceparent
        | FieldName::ForwardedFor
        | FieldName::Owned
        | FieldName::HopByHop => false,
    }
}

/// Whether a field of the app's answer reaches the client.
#[must_use]
pub fn answer_field_passes(name: &str) -> bool {
    // Most fields start with a letter that none of ours starts with.
    !matches!(name.as_bytes().first(), Some(b'x' | b'f' | b's' | b'p' | b'r')) || !headers::is_owned(name.as_bytes())
}

/// What becomes of one `Set-Cookie` of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetCookie {
    Keep,
    Drop,
    /// The session cookie in its new scope, and its expiry at `/`.
    Rescope {
        cookie: String,
        expiry: String,
    },
}

/// Decides on a `Set-Cookie` value of an answer on `route`. `secure` says that the client came by TLS.
#[must_use]
pub fn set_cookie(value: &[u8], route: &Route, rules: &CookieRules, secure: bool) -> SetCookie {
    let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
    let name = trim(pair.split(|byte| *byte == b'=').next().unwrap_or_default());
    if rules.session_name(name).is_none() {
        return SetCookie::Keep;
    }
    let plain = rules.names().any(|plain| plain.as_bytes() == name);
    match (route.kind, std::str::from_utf8(value)) {
        (RouteKind::Admin, Ok(text)) => rescope(text, route, secure),
        // Signing in on such a page has to be possible; whose session it is, is asked when it comes back.
        (RouteKind::Page, Ok(_)) if plain && route.sessions == RouteSessions::NonSuperuser => SetCookie::Keep,
        (RouteKind::Admin, Err(_)) | (RouteKind::Api | RouteKind::Public | RouteKind::Page, _) => SetCookie::Drop,
    }
}

/// The admin session belongs to the admin route alone: its path, no domain, no script, no other site.
fn rescope(text: &str, route: &Route, secure: bool) -> SetCookie {
    let mut parts = text.split(';').map(str::trim);
    let mut cookie = parts.next().unwrap_or_default().to_owned();
    let name = cookie.split('=').next().unwrap_or_default().trim().to_owned();
    let mut same_site = "Lax";
    for attribute in parts {
        let (key, value) = attribute
            .split_once('=')
            .map_or((attribute, ""), |(key, value)| (key.trim(), value.trim()));
        if key.eq_ignore_ascii_case("max-age") || key.eq_ignore_ascii_case("expires") {
            cookie.push_str("; ");
            cookie.push_str(attribute);
        } else if key.eq_ignore_ascii_case("samesite") && value.eq_ignore_ascii_case("strict") {
            same_site = "Strict";
        }
    }
    cookie.push_str(&format!("; Path={}/; HttpOnly; SameSite={same_site}", route.prefix));
    if secure {
        cookie.push_str("; Secure");
    }
    SetCookie::Rescope {
        cookie,
        expiry: expired(&name, "/", secure),
    }
}

/// The `Set-Cookie` value that makes a browser forget `name` at `path`.
#[must_use]
pub fn expired(name: &str, path: &str, secure: bool) -> String {
    // A browser takes no word about a prefixed name that is not `Secure` (RFC 6265bis, section 4.1.3).
    let secure = if secure || has_prefix(name, "__secure-") || has_prefix(name, "__host-") {
        "; Secure"
    } else {
        ""
    };
    format!("{name}=; Path={path}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax{secure}")
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Every `Set-Cookie` value that together make a browser forget its sessions: each configured name and each other one that
/// it `brought`, at `/` and where admins live.
#[must_use]
pub fn expired_sessions<'a>(
    rules: &CookieRules,
    brought: &[String],
    admin_prefixes: impl Iterator<Item = &'a str>,
    secure: bool,
) -> Vec<String> {
    let at_admin = admin_prefixes.map(|prefix| format!("{}/", prefix.trim_end_matches('/')));
    let paths: Vec<String> = std::iter::once("/".to_owned())
        .chain(at_admin.filter(|path| path != "/"))
        .collect();
    let every = |name| paths.iter().map(move |path| expired(name, path, secure));
    rules
        .names()
        .chain(brought.iter().map(String::as_str))
        .flat_map(every)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{framing, path};
    use super::*;

    fn route(kind: RouteKind, authorization: Authorization) -> Route {
        Route {
            authorization,
            ..super::super::route::tests::route("/admin", kind)
        }
    }

    fn written(block: &str, route: &Route) -> String {
        written_as(block, route, true)
    }

    fn written_as(block: &str, route: &Route, token_proven: bool) -> String {
        let block = block.replace('\n', "\r\n");
        let framed = framing::parse(block.as_bytes()).unwrap();
        let canonical = path::canonicalize(framed.target).unwrap();
        let mut out = BytesMut::new();
        write_block(
            &mut out,
            &framed,
            &canonical,
            route,
            token_proven,
            b"a=1",
            &[("X-User-Id", b"7"), ("X-User-Role", b"")],
        );
        String::from_utf8(out.to_vec()).unwrap().replace("\r\n", "\n")
    }

    const REQUEST: &str = "GET /%61?q=%2f HTTP/1.1\nHost: h:1\nX-Account-Id: 9\nForwarded: x\nScript-Name: /s\n\
        Authorization: Bearer t\nX-Api-Key: igk_1\nCookie: z=1\nConnection: upgrade, close\nUpgrade: h2c\n\
        HTTP2-Settings: x\nTE: trailers\nX-Forwarded-For: 1.2.3.4\nX-Request-Id: r\ntraceparent: t\naccept-Language:  de \n\n";

    #[test]
    fn what_goes_on_is_canonical_and_speaks_no_word_of_ours() {
        assert_eq!(
            written(REQUEST, &route(RouteKind::Page, Authorization::Drop)),
            "GET /a?q=%2f HTTP/1.1\nHost: h:1\naccept-Language: de\nCookie: a=1\nX-User-Id: 7\nConnection: close\n\n"
        );
    }

    #[test]
    fn a_token_goes_on_where_it_was_verified_or_the_route_says_so() {
        let has_token = |kind, authorization| written(REQUEST, &route(kind, authorization)).contains("Bearer t");
        assert!(has_token(RouteKind::Api, Authorization::Drop));
        assert!(has_token(RouteKind::Public, Authorization::Pass));
        assert!(!has_token(RouteKind::Public, Authorization::Drop));
        assert!(!has_token(RouteKind::Admin, Authorization::Drop));
    }

    #[test]
    fn an_api_gets_no_authorization_that_did_not_prove_who_asks() {
        for value in ["Bearer t", "Basic YTpi", "Token 1234"] {
            let request = REQUEST.replace("Bearer t", value);
            for authorization in [Authorization::Drop, Authorization::Pass] {
                let block = written_as(&request, &route(RouteKind::Api, authorization), false);
                assert!(!block.contains("Authorization"), "{value}: {block}");
            }
        }
    }

    #[test]
    fn a_key_goes_on_nowhere() {
        for value in ["Bearer igk_1", "bearer  igk_1", "igk_1", "Basic igk_1"] {
            let request = REQUEST.replace("Bearer t", value);
            for kind in [RouteKind::Api, RouteKind::Public, RouteKind::Page, RouteKind::Admin] {
                for authorization in [Authorization::Drop, Authorization::Pass] {
                    let block = written(&request, &route(kind, authorization));
                    assert!(!block.contains("igk_"), "{kind:?} {value}: {block}");
                }
            }
        }
    }

    #[test]
    fn an_admin_session_is_rescoped_and_expired_at_the_root() {
        let rules = CookieRules::new(&["sessionid".into()]);
        let admin = route(RouteKind::Admin, Authorization::Drop);
        let set = b"sessionid=abc; expires=Mon, 07 Dec 2026 00:00:00 GMT; HttpOnly; Max-Age=1209600; Path=/; Domain=x.y; SameSite=None";
        let SetCookie::Rescope { cookie, expiry } = set_cookie(set, &admin, &rules, true) else {
            panic!("not rescoped")
        };
        assert_eq!(
            cookie,
            "sessionid=abc; expires=Mon, 07 Dec 2026 00:00:00 GMT; Max-Age=1209600; Path=/admin/; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(expiry.starts_with("sessionid=; Path=/; Max-Age=0;"), "{expiry}");
        assert_eq!(
            set_cookie(b"csrftoken=t; Path=/", &admin, &rules, false),
            SetCookie::Keep
        );
    }

    #[test]
    fn no_other_route_can_set_a_session() {
        let rules = CookieRules::new(&["sessionid".into()]);
        for kind in [RouteKind::Api, RouteKind::Public, RouteKind::Page] {
            for set in [
                &b"sessionid=abc; Path=/"[..],
                b" SessionId = x",
                b"__Host-sessionid=1",
                b"sessionid",
            ] {
                assert_eq!(
                    set_cookie(set, &route(kind, Authorization::Drop), &rules, false),
                    SetCookie::Drop
                );
            }
        }
    }

    #[test]
    fn a_page_that_signs_in_by_session_sets_it_under_its_plain_name_only() {
        let rules = CookieRules::new(&["sessionid".into()]);
        let page = Route {
            sessions: RouteSessions::NonSuperuser,
            ..route(RouteKind::Page, Authorization::Drop)
        };
        assert_eq!(
            set_cookie(b"sessionid=s; Path=/", &page, &rules, false),
            SetCookie::Keep
        );
        for other in [&b"__Host-sessionid=s; Path=/"[..], b"SessionID=s", b"sessionid=\xff"] {
            assert_eq!(set_cookie(other, &page, &rules, false), SetCookie::Drop);
        }
        let public = Route {
            kind: RouteKind::Public,
            ..page
        };
        assert_eq!(set_cookie(b"sessionid=s", &public, &rules, false), SetCookie::Drop);
    }

    #[test]
    fn a_name_with_capitals_or_dots_is_set_and_rescoped_as_it_is_configured() {
        for name in ["connect.sid", "PHPSESSID", "JSESSIONID"] {
            let rules = CookieRules::new(&[name.into()]);
            let page = Route {
                sessions: RouteSessions::NonSuperuser,
                ..route(RouteKind::Page, Authorization::Drop)
            };
            let set = format!("{name}=s; Path=/");
            let other = format!("{}=s; Path=/", name.to_lowercase().replace('.', "_"));
            assert_eq!(set_cookie(set.as_bytes(), &page, &rules, false), SetCookie::Keep);
            assert_eq!(set_cookie(other.as_bytes(), &page, &rules, false), SetCookie::Drop);
            let admin = route(RouteKind::Admin, Authorization::Drop);
            let SetCookie::Rescope { cookie, expiry } = set_cookie(set.as_bytes(), &admin, &rules, false) else {
                panic!("not rescoped")
            };
            assert!(cookie.starts_with(&format!("{name}=s; Path=/admin/;")), "{cookie}");
            assert!(expiry.starts_with(&format!("{name}=; Path=/; Max-Age=0;")), "{expiry}");
        }
    }

    #[test]
    fn a_session_is_expired_under_its_configured_name_and_the_one_that_was_brought() {
        let rules = CookieRules::new(&["connect.sid".into()]);
        let brought = ["__Secure-connect.sid".to_owned()];
        let all = expired_sessions(&rules, &brought, ["/admin"].into_iter(), false);
        let starts: Vec<&str> = all
            .iter()
            .map(|value| value.split("; Max-Age").next().unwrap())
            .collect();
        assert_eq!(
            starts,
            [
                "connect.sid=; Path=/",
                "connect.sid=; Path=/admin/",
                "__Secure-connect.sid=; Path=/",
                "__Secure-connect.sid=; Path=/admin/"
            ]
        );
        // A browser takes no word about a prefixed name that is not Secure.
        let secure: Vec<bool> = all.iter().map(|value| value.ends_with("; Secure")).collect();
        assert_eq!(secure, [false, false, true, true]);
    }

    #[test]
    fn sessions_are_expired_at_the_root_and_at_the_admin_prefix() {
        let rules = CookieRules::new(&["sessionid".into(), "remember".into()]);
        let all = expired_sessions(&rules, &[], ["/admin"].into_iter(), false);
        let starts: Vec<&str> = all
            .iter()
            .map(|value| value.split("; Max-Age").next().unwrap())
            .collect();
        assert_eq!(
            starts,
            [
                "sessionid=; Path=/",
                "sessionid=; Path=/admin/",
                "remember=; Path=/",
                "remember=; Path=/admin/"
            ]
        );
    }

    #[test]
    fn answers_lose_the_fields_that_only_we_speak() {
        for name in [
            "x-account-id",
            "x-user-role",
            "x-igny8-edge",
            "x-forwarded-for",
            "remote-user",
        ] {
            assert!(!answer_field_passes(name), "{name}");
        }
        for name in ["content-type", "x-frame-options", "set-cookie", "x-request-id"] {
            assert!(answer_field_passes(name), "{name}");
        }
    }
}
