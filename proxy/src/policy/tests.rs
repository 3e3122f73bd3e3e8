use super::route::HostRule;
use super::route::tests::route;
use super::*;

/// What becomes of `POST /api/x` on a route that takes ten bytes.
fn judged(field: &str) -> (String, Result<(), Refusal>) {
    let block = format!("POST /api/x HTTP/1.1\r\nHost: h\r\n{field}\r\n");
    let framed = framing::parse(block.as_bytes()).unwrap();
    let api = Route {
        max_body_bytes: 10,
        ..route("/api", RouteKind::Api)
    };
    let hosts = HostRule::parse("h").into_iter().collect();
    let routes = Routes::new(hosts, vec![api, route("/", RouteKind::Page)], None);
    let rules = CookieRules::new(&["sessionid".into()]);
    let routed = Routed::new(framed, &routes, &rules).unwrap();
    (routed.route().label().to_owned(), routed.check_length())
}

#[test]
fn a_request_has_met_its_route_when_the_length_of_its_body_is_judged() {
    for (field, length) in [
        ("Content-Length: 11\r\n", Err(Refusal::BodyTooLarge)),
        ("Content-Length: 99999999999\r\n", Err(Refusal::BodyTooLarge)),
        ("Content-Length: 10\r\n", Ok(())),
        ("Transfer-Encoding: chunked\r\n", Ok(())),
        ("", Ok(())),
    ] {
        assert_eq!(judged(field), ("/api".to_owned(), length), "{field}");
    }
}
