use super::*;

pub fn route(prefix: &str, kind: RouteKind) -> Route {
    Route {
        prefix: prefix.trim_end_matches('/').to_owned(),
        kind,
        upstream: 0,
        scope: None,
        standing: StandingNeed::Required,
        authorization: Authorization::Drop,
        cookies_allow: Vec::new(),
        hosts: Vec::new(),
        on_superuser_session: OnSuperuserSession::Revoke,
        sessions: RouteSessions::Never,
        max_body_bytes: 1,
        stream: false,
        edge: EdgeRules::default(),
    }
}

fn routes() -> Routes {
    let hosts = ["localhost", "example.com:8443", "[::1]"];
    let mut admin = route("/admin", RouteKind::Admin);
    admin.hosts = vec![HostRule::parse("localhost").unwrap()];
    Routes::new(
        hosts.iter().filter_map(|host| HostRule::parse(host)).collect(),
        vec![
            route("/", RouteKind::Page),
            route("/api", RouteKind::Api),
            route("/api/v1/auth", RouteKind::Public),
            admin,
        ],
        Some("/internal/session/".into()),
    )
}

fn found(host: &str, path: &str) -> Result<String, Refusal> {
    let routes = routes();
    routes
        .find(Some(host.as_bytes()), path)
        .map(|at| routes.all()[at].label().to_owned())
}

#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    for (path, prefix) in [
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/apix", "/"),
        ("/api/v1/auth/me/", "/api/v1/auth"),
        ("/api/v1/authx", "/api"),
        ("/admin/x", "/admin"),
        ("/", "/"),
    ] {
        assert_eq!(found("localhost", path).as_deref(), Ok(prefix), "{path}");
    }
}

#[test]
fn a_protected_prefix_in_another_case_is_refused() {
    for path in ["/API/v1", "/Api", "/ADMIN/", "/aDmin"] {
        assert_eq!(found("localhost", path), Err(Refusal::MalformedPath), "{path}");
    }
}

#[test]
fn the_introspection_path_is_nobody_elses_business() {
    for path in [
        "/internal/session/",
        "/internal/session",
        "/internal/session/x",
        "/Internal/Session/",
    ] {
        assert_eq!(found("localhost", path), Err(Refusal::NoRoute), "{path}");
    }
    assert_eq!(found("localhost", "/internal/sessions").as_deref(), Ok("/"));
}

#[test]
fn hosts_are_compared_without_case_and_trailing_dot() {
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:8080",
        "example.com:8443",
        "[::1]:80",
        "[::1]",
    ] {
        assert!(found(host, "/").is_ok(), "{host}");
    }
    for host in [
        "",
        "example.com",
        "example.com:8444",
        "evil.com",
        "localhost:",
        "localhost:x",
        "localhost:99999",
        "a@localhost",
        "localhost/",
        "localhost localhost",
        "[::1",
        "[::1]x",
        "[zz]",
        ".",
    ] {
        assert_eq!(found(host, "/"), Err(Refusal::BadHost), "{host}");
    }
    assert_eq!(routes().find(None, "/"), Err(Refusal::BadHost));
}

#[test]
fn a_host_without_a_port_means_the_default_ones() {
    let rule = HostRule::parse("example.com:443").unwrap();
    let matches = |host: &str| rule.matches(&Host::parse(host.as_bytes()).unwrap());
    assert!(matches("example.com") && matches("example.com:443"));
    assert!(!matches("example.com:80") && !matches("example.com:8443"));
}

#[test]
fn a_route_with_networks_serves_nobody_else() {
    let rules = EdgeRules {
        networks: vec![Network::parse("10.0.0.0/8").unwrap(), Network::parse("::1").unwrap()],
        ..EdgeRules::default()
    };
    let check = |ip: &str, silent| rules.check_network(ip.parse().unwrap(), silent);
    assert_eq!(check("10.1.2.3", false), Ok(()));
    assert_eq!(check("::1", false), Ok(()));
    assert_eq!(check("11.0.0.1", false), Err(Refusal::NetworkRefused));
    assert_eq!(check("10.1.2.3", true), Err(Refusal::NetworkRefused));
    assert_eq!(
        EdgeRules::default().check_network("11.0.0.1".parse().unwrap(), true),
        Ok(())
    );
}

#[test]
fn an_encoded_slash_passes_where_it_is_allowed_and_never_leads_to_another_route() {
    let mut files = route("/files", RouteKind::Page);
    files.edge.encoded_slash = true;
    let routes = Routes::new(
        vec![HostRule::parse("h").unwrap()],
        vec![route("/", RouteKind::Page), files, route("/files/api", RouteKind::Api)],
        None,
    );
    let find = |target: &str| {
        routes
            .find_with_slash(Some(b"h"), target.as_bytes())
            .map(|(at, canonical)| (routes.all()[at].label().to_owned(), canonical.path.into_owned()))
    };
    assert_eq!(find("/files/a%2fb"), Ok(("/files".into(), "/files/a%2Fb".into())));
    for wrong in [
        "/files%2fa",
        "/other/a%2fb",
        "/files/api%2fx",
        "/files/..%2fadmin",
        "/files/%2fa",
        "/files/a%2f%2fb",
        "/files/a%2f.",
        "/files/a%5cb",
        "/files/a%252fb",
        "/files/%00%2f",
    ] {
        assert_eq!(find(wrong), Err(Refusal::MalformedPath), "{wrong}");
    }
}

#[test]
fn a_route_may_demand_its_own_host() {
    assert_eq!(found("[::1]", "/admin/"), Err(Refusal::NoRoute));
    assert_eq!(found("localhost", "/admin/").as_deref(), Ok("/admin"));
    let mut own = route("/files", RouteKind::Api);
    own.hosts = vec![HostRule::parse("b").unwrap()];
    let hosts = ["a", "b"].iter().filter_map(|host| HostRule::parse(host)).collect();
    let routes = Routes::new(hosts, vec![route("/files", RouteKind::Page), own], None);
    let kind = |host: &str| routes.all()[routes.find(Some(host.as_bytes()), "/files/x").unwrap()].kind;
    assert_eq!((kind("a"), kind("b")), (RouteKind::Page, RouteKind::Api));
}
