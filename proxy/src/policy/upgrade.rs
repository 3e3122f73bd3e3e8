//! Offers to change the protocol: only a WebSocket, only where the route says so, only from where it may come. Pure.

use super::cors::CorsRule;
use super::framing::{Body, Framed, Method};
use super::route::{Route, RouteKind};
use igny8_contract::refusal::Refusal;

/// Whether this request opens a WebSocket on its route (RFC 6455, section 4.1). Any other offer is dropped, and what
/// follows it is a request like any other.
#[must_use]
pub fn opens_tunnel(framed: &Framed<'_>, route: &Route) -> bool {
    route.edge.websocket
        && framed.method == Method::Get
        && !framed.http10
        && framed.connection_upgrade
        && framed.body == Body::None
        && framed
            .upgrade
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// Whether a WebSocket may be opened from this origin. A browser always names one, and sends cookies along from
/// anywhere; so only `api` routes, where no cookie counts, take a request without.
///
/// # Errors
/// `origin_refused`.
pub fn check_origin(framed: &Framed<'_>, route: &Route, secure: bool) -> Result<(), Refusal> {
    let allowed = match framed.origin {
        None => route.kind == RouteKind::Api,
        Some(origin) => {
            is_own_origin(origin, framed.host.unwrap_or_default(), secure)
                || route
                    .edge
                    .cors
                    .as_deref()
                    .is_some_and(|rule: &CorsRule| !rule.any_origin && rule.allows(origin))
        }
    };
    if allowed { Ok(()) } else { Err(Refusal::OriginRefused) }
}

/// Whether an origin is the one that the request itself was sent to.
fn is_own_origin(origin: &[u8], host: &[u8], secure: bool) -> bool {
    let scheme: &[u8] = if secure { b"https://" } else { b"http://" };
    origin
        .strip_prefix(scheme)
        .is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::super::framing;
    use super::super::route::EdgeRules;
    use super::*;
    use http::HeaderValue;
    use std::sync::Arc;

    fn route(kind: RouteKind) -> Route {
        Route {
            edge: EdgeRules {
                websocket: true,
                ..EdgeRules::default()
            },
            ..super::super::route::tests::route("/ws", kind)
        }
    }

    const OFFER: &str = "GET /ws HTTP/1.1\nHost: h\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\n";

    fn opens(block: &str, route: &Route) -> bool {
        let block = format!("{block}\n").replace('\n', "\r\n");
        opens_tunnel(&framing::parse(block.as_bytes()).unwrap(), route)
    }

    #[test]
    fn only_a_websocket_on_a_route_that_says_so_opens_a_tunnel() {
        assert!(opens(OFFER, &route(RouteKind::Page)));
        let closed = Route {
            edge: EdgeRules::default(),
            ..route(RouteKind::Page)
        };
        assert!(!opens(OFFER, &closed));
        for (from, to) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("WebSocket", "h2c"),
            ("WebSocket", "websocket, h2c"),
            ("keep-alive, Upgrade", "keep-alive"),
            ("Host: h\n", "Host: h\nContent-Length: 5\n"),
            ("Upgrade: WebSocket\n", ""),
        ] {
            assert!(!opens(&OFFER.replace(from, to), &route(RouteKind::Page)), "{to}");
        }
    }

    #[test]
    fn the_origin_is_our_own_or_a_listed_one() {
        let listed = CorsRule {
            any_origin: false,
            origins: vec!["https://app.example".into()],
            credentials: false,
            methods: HeaderValue::from_static(""),
            headers: HeaderValue::from_static(""),
            max_age: HeaderValue::from_static(""),
            expose: HeaderValue::from_static(""),
        };
        let check = |origin: &str, kind, secure, cors: Option<CorsRule>| {
            let mut route = route(kind);
            route.edge.cors = cors.map(Arc::new);
            let block = format!("{OFFER}{origin}\n").replace('\n', "\r\n");
            check_origin(&framing::parse(block.as_bytes()).unwrap(), &route, secure)
        };
        assert_eq!(check("Origin: http://h\n", RouteKind::Page, false, None), Ok(()));
        assert_eq!(check("Origin: https://h\n", RouteKind::Admin, true, None), Ok(()));
        assert_eq!(
            check(
                "Origin: https://app.example\n",
                RouteKind::Page,
                true,
                Some(listed.clone())
            ),
            Ok(())
        );
        assert_eq!(check("", RouteKind::Api, true, None), Ok(()));
        let star = CorsRule {
            any_origin: true,
            ..listed
        };
        for (origin, kind, secure, cors) in [
            ("", RouteKind::Page, false, None),
            ("", RouteKind::Admin, false, None),
            ("Origin: http://evil\n", RouteKind::Api, false, None),
            ("Origin: null\n", RouteKind::Page, false, None),
            ("Origin: http://h.evil\n", RouteKind::Page, false, None),
            ("Origin: http://h\n", RouteKind::Page, true, None),
            ("Origin: http://evil\n", RouteKind::Page, false, Some(star)),
        ] {
            assert_eq!(
                check(origin, kind, secure, cors),
                Err(Refusal::OriginRefused),
                "{origin}"
            );
        }
    }
}
