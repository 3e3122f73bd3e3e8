//! What routes say of the network around them, at the real proxy: CORS, networks, hosts, encoded slashes, shadow, and how
//! long a body may be.

use igny8_testkit::config::set;
use igny8_testkit::edge::add_route;
use igny8_testkit::hostile::witness::{Server, Witness};
use igny8_testkit::http::Request;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::raw::{Connection, PATIENCE, Response};
use igny8_testkit::stack::{App, Stack};
use std::sync::OnceLock;
use toml::{Table, Value};

/// One stack for every test here, before the witness.
struct Edge {
    stack: Stack,
    witness: Witness,
    _ports: PortBlock,
}

fn routes(proxy: &mut Table) {
    set(proxy, "server.trusted_hops", Value::from(vec!["127.0.0.1"]));
    set(
        proxy,
        "server.hosts",
        Value::from(vec!["localhost", "127.0.0.1", "files.example"]),
    );
    set(proxy, "cors.origins", Value::from(vec!["https://app.example"]));
    for keys in [
        "prefix = \"/inside\"\nkind = \"page\"\nupstream = \"app\"\nnetworks = [\"10.0.0.0/8\", \"2001:db8::/32\"]",
        "prefix = \"/watched\"\nkind = \"page\"\nupstream = \"app\"\nnetworks = [\"10.0.0.0/8\"]\nmode = \"shadow\"",
        "prefix = \"/api/watched\"\nkind = \"api\"\nupstream = \"app\"\nmode = \"shadow\"",
        "prefix = \"/files\"\nkind = \"page\"\nupstream = \"app\"\nallow = [\"encoded_slash\"]",
        "prefix = \"/files\"\nkind = \"page\"\nupstream = \"app\"\nhosts = [\"files.example\"]\nmax_body_bytes = 10",
        "prefix = \"/anybody\"\nkind = \"public\"\nupstream = \"app\"\ncors = { origins = [\"*\"] }",
        "prefix = \"/with\"\nkind = \"public\"\nupstream = \"app\"\ncors = { origins = [\"https://app.example\"], credentials = true }",
        "prefix = \"/coded\"\nkind = \"public\"\nupstream = \"app\"\nallow = [\"encoded_slash\"]",
        "prefix = \"/nobody\"\nkind = \"public\"\nupstream = \"app\"\ncors = { origins = [] }",
    ] {
        add_route(proxy, keys);
    }
}

fn shared() -> &'static Edge {
    static EDGE: OnceLock<Edge> = OnceLock::new();
    EDGE.get_or_init(|| {
        let ports = PortBlock::claim();
        let app = ports.address(0);
        let stack = Stack::builder().app(App::At(app.clone())).proxy(routes).start();
        let secret = stack.var.join("secrets/edge_app");
        let witness = Witness::start(Server::Gunicorn, &app, &stack.var, Some(&secret));
        Edge {
            stack,
            witness,
            _ports: ports,
        }
    })
}

fn preflight(path: &str, origin: &str) -> Request {
    shared()
        .stack
        .request("OPTIONS", path)
        .field("Origin", origin)
        .field("Access-Control-Request-Method", "PUT")
        .field("Access-Control-Request-Headers", "authorization")
}

#[track_caller]
fn assert_cors(answer: &Response, origin: Option<&str>, credentials: bool) {
    let fields = &answer.fields;
    assert_eq!(answer.field("Access-Control-Allow-Origin"), origin, "{fields:?}");
    let with = answer.field("Access-Control-Allow-Credentials");
    assert_eq!(with, credentials.then_some("true"), "{fields:?}");
    let varies = answer.all("Vary").iter().any(|names| names.contains("Origin"));
    assert_eq!(varies, origin != Some("*"), "{fields:?}");
}

#[test]
fn a_preflight_is_answered_here_and_needs_no_credential() {
    let edge = shared();
    let answer = preflight("/api/v1/x", "https://app.example")
        .field("X-Marker", "preflight")
        .send();
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    assert_cors(&answer, Some("https://app.example"), false);
    assert!(answer.field("Access-Control-Allow-Methods").unwrap().contains("PUT"));
    assert!(
        answer
            .field("Access-Control-Allow-Headers")
            .unwrap()
            .contains("Authorization")
    );
    assert_eq!(answer.field("Access-Control-Max-Age"), Some("600"));
    assert_cors(
        &preflight("/with/x", "https://app.example").send(),
        Some("https://app.example"),
        true,
    );
    assert_cors(
        &preflight("/anybody/x", "https://whoever.example").send(),
        Some("*"),
        false,
    );

    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://app.example",
    ] {
        let refused = preflight("/api/v1/x", origin).field("X-Marker", "preflight").send();
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "origin_refused"),
            "{origin}"
        );
        assert_cors(&refused, None, false);
    }
    let arrived = edge.witness.records().iter().any(|record| record.marker == "preflight");
    assert!(!arrived, "a preflight went on");
    // Where there is no rule, OPTIONS is a request like any other.
    assert_eq!(preflight("/nobody/x", "https://app.example").send().status, 200);
}

#[test]
fn the_body_of_a_request_that_is_answered_here_is_never_read_as_a_next_one() {
    let edge = shared();
    let host = &edge.stack.public;
    let hidden = format!("GET /page HTTP/1.1\r\nHost: {host}\r\nX-Marker: smuggled\r\n\r\n");
    let asked = "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n";
    for (line, fields, status) in [
        ("GET /healthz", "", 200),
        ("HEAD /healthz", "", 200),
        ("GET /healthz", "Connection: keep-alive\r\n", 200),
        ("OPTIONS /api/v1/x", asked, 204),
        ("GET /api/v1/x", "", 401),
        ("GET /inside/x", "", 403),
        ("BREW /page", "", 405),
    ] {
        for (framing, before, after) in [
            (format!("Content-Length: {}", hidden.len()), String::new(), ""),
            (
                "Transfer-Encoding: chunked".to_owned(),
                format!("{:x}\r\n", hidden.len()),
                "\r\n0\r\n\r\n",
            ),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}{framing}\r\n\r\n");
            let mut connection = Connection::open(host).unwrap();
            connection.send(head.as_bytes()).unwrap();
            let method = line.split(' ').next().unwrap();
            let answer = connection.read_response_to(method, PATIENCE).unwrap();
            assert_eq!(answer.status, status, "{line}, {framing}");
            assert_eq!(answer.field("Connection"), Some("close"), "{line}, {framing}");
            // The body comes when the answer is there already. A peer that has closed may not take it.
            let _may_be_closed = connection.send(format!("{before}{hidden}{after}").as_bytes());
            assert!(
                connection.is_closed_within(PATIENCE),
                "a second answer to {line}, {framing}"
            );
        }
    }
    let last = edge.stack.get("/page").field("X-Marker", "after the smuggled").send();
    assert_eq!(last.status, 200);
    edge.witness.wait_for("after the smuggled");
    let arrived = edge.witness.records().iter().any(|record| record.marker == "smuggled");
    assert!(!arrived, "a body was read as a request");
}

#[test]
fn a_preflight_meets_the_route_that_the_request_itself_would_meet() {
    for path in ["/coded/a", "/coded/a%2Fb", "/coded/a%2fb?x=1"] {
        let answer = preflight(path, "https://app.example").send();
        assert_eq!(answer.status, 204, "{path}: {}", answer.text());
        assert_cors(&answer, Some("https://app.example"), false);
        let evil = preflight(path, "https://evil.example").send();
        assert_eq!((evil.status, evil.code().as_str()), (403, "origin_refused"), "{path}");
    }
    for path in ["/coded/..%2Fadmin/", "/with/a%2Fb", "/coded%2Fx"] {
        assert_eq!(preflight(path, "https://app.example").send().status, 400, "{path}");
    }
}

#[test]
fn a_body_that_is_declared_too_long_is_refused_in_the_form_of_its_route() {
    let stack = &shared().stack;
    let ask = |target: &str| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: {}\r\nOrigin: https://app.example\r\nAccept: text/html\r\n\
             Content-Length: 99999999999\r\n\r\n",
            stack.public
        );
        let mut connection = Connection::open(&stack.public).unwrap();
        connection.send(head.as_bytes()).unwrap();
        let answer = connection.read_response(PATIENCE).unwrap();
        assert_eq!(answer.status, 413, "{target}: {}", answer.text());
        assert_eq!(answer.field("Connection"), Some("close"), "{target}");
        answer
    };
    // Before the missing token is: nothing is done for a request whose body will not be read.
    let api = ask("/api/v1/x");
    assert_eq!(api.code(), "body_too_large", "{}", api.text());
    assert_cors(&api, Some("https://app.example"), false);
    let page = ask("/page");
    assert!(page.text().starts_with("<!doctype html>"), "{}", page.text());
    assert_eq!(page.field("Access-Control-Allow-Origin"), None);
    for route in ["/api", "/"] {
        let metrics = stack.metrics();
        let counted = metrics.lines().any(|line| {
            [format!("route=\"{route}\""), "code=\"body_too_large\"".to_owned()]
                .iter()
                .all(|label| line.contains(label.as_str()))
        });
        assert!(counted, "{route}: {metrics}");
    }
}

#[test]
fn answers_and_refusals_name_the_origin_and_never_a_star_with_credentials() {
    let stack = &shared().stack;
    let member = stack.sign_up();
    let ask = |path: &str, origin: &str| stack.get(path).field("Origin", origin);
    let good = ask("/api/v1/x", "https://app.example").bearer(&member.access).send();
    assert_eq!(good.status, 200);
    assert_cors(&good, Some("https://app.example"), false);
    assert!(
        good.field("Access-Control-Expose-Headers")
            .unwrap()
            .contains("RateLimit")
    );
    let refused = ask("/api/v1/x", "https://app.example").send();
    assert_eq!(refused.status, 401);
    assert_cors(&refused, Some("https://app.example"), false);
    let down = ask("/api/v1/x", "https://app.example")
        .field("Authorization", "Bearer x.y.z")
        .send();
    assert_eq!(down.status, 401);
    assert_cors(&down, Some("https://app.example"), false);
    let foreign = ask("/api/v1/x", "https://evil.example").bearer(&member.access).send();
    assert_eq!(
        foreign.status, 200,
        "CORS does not refuse a request, browsers refuse the answer"
    );
    assert_cors(&foreign, None, false);
    assert_cors(
        &ask("/with/x", "https://app.example").send(),
        Some("https://app.example"),
        true,
    );
    assert_cors(&ask("/anybody/x", "https://evil.example").send(), Some("*"), false);
    let page = ask("/page", "https://app.example").send();
    assert_eq!(
        page.field("Access-Control-Allow-Origin"),
        None,
        "a page got the rule of APIs"
    );
}

#[test]
fn a_route_with_networks_serves_nobody_else_and_no_hop_that_does_not_say_for_whom() {
    let stack = &shared().stack;
    let from = |path: &str, list: Option<&str>| {
        let request = stack.get(path);
        match list {
            Some(list) => request.field("X-Forwarded-For", list).send(),
            None => request.send(),
        }
    };
    for (list, status) in [
        (Some("10.1.2.3"), 200),
        (Some("2001:db8::7"), 200),
        (Some("::ffff:10.1.2.3"), 200),
        (Some("10.1.2.3, 8.8.8.8"), 403),
        (Some("8.8.8.8"), 403),
        (Some("junk"), 403),
        (Some("10.1.2.3, junk"), 403),
        (Some(""), 403),
        (None, 403),
    ] {
        let answer = from("/inside/x", list);
        assert_eq!(answer.status, status, "{list:?}: {}", answer.text());
        if status == 403 {
            assert!(answer.text().contains("network_refused"), "{}", answer.text());
        }
        assert_eq!(from("/page", list).status, 200);
    }
    // Several lines are one list: a hop that adds a line of its own hides nobody behind it.
    for (lines, status) in [
        (["10.1.2.3", "127.0.0.1"], 200),
        (["8.8.8.8", "127.0.0.1"], 403),
        (["10.1.2.3, 8.8.8.8", "127.0.0.1"], 403),
        (["8.8.8.8", "10.1.2.3"], 200),
        (["junk", "127.0.0.1"], 403),
        (["10.1.2.3", ""], 403),
    ] {
        let [first, second] = lines;
        let marker = format!("hops {first} {second}");
        let request = stack.get("/inside/x").field("X-Forwarded-For", first);
        let answer = request
            .field("X-Forwarded-For", second)
            .field("X-Marker", &marker)
            .send();
        assert_eq!(answer.status, status, "{lines:?}: {}", answer.text());
        let records = shared().witness.records();
        let record = records.iter().find(|record| record.marker == marker);
        assert_eq!(record.is_some(), status == 200, "{lines:?}");
        if let Some(record) = record {
            assert_eq!(
                record.headers.get("x-forwarded-for").map(String::as_str),
                Some("10.1.2.3")
            );
        }
    }
    // A route that only watches serves, counts and logs.
    assert_eq!(from("/watched/x", Some("8.8.8.8")).status, 200);
    let counted = "igny8_shadowed_total{route=\"/watched\",code=\"network_refused\"}";
    assert!(stack.metrics().contains(counted), "{}", stack.metrics());
}

#[test]
fn a_shadowed_standing_refuses_nobody_and_a_revoked_token_all_the_same() {
    let stack = &shared().stack;
    let (member, staff) = (stack.sign_up(), stack.staff(true));
    let suspended = stack
        .post(&format!("/api/v1/staff/accounts/{}/suspend/", member.account_id))
        .bearer(&staff.access)
        .json(&serde_json::json!({"reason": "abuse"}))
        .send();
    assert_eq!(suspended.status, 200, "{}", suspended.text());
    igny8_testkit::wait::wait_until("the suspension", std::time::Duration::from_secs(5), || {
        (stack.get("/api/v1/x").bearer(&member.access).send().code() == "account_suspended").then_some(())
    });
    assert_eq!(stack.get("/api/watched/x").bearer(&member.access).send().status, 200);
    let counted = "igny8_shadowed_total{route=\"/api/watched\",code=\"account_suspended\"}";
    assert!(stack.metrics().contains(counted));
    assert_eq!(stack.get("/api/watched/x").send().code(), "credentials_required");

    let leaver = stack.sign_up();
    assert_eq!(
        stack.post("/api/v1/auth/logout/").bearer(&leaver.access).send().status,
        204
    );
    igny8_testkit::wait::wait_until("the sign-out", std::time::Duration::from_secs(5), || {
        (stack.get("/api/watched/x").bearer(&leaver.access).send().code() == "token_revoked").then_some(())
    });
}

#[test]
fn an_encoded_slash_passes_where_a_route_allows_it_and_hosts_have_routes_of_their_own() {
    let edge = shared();
    let stack = &edge.stack;
    let allowed = stack.get("/files/a%2fb?x=%2f").field("X-Marker", "slash").send();
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let records = edge.witness.records();
    let record = records.iter().find(|record| record.marker == "slash").unwrap();
    assert_eq!((record.wire_path.as_str(), record.signed), ("/files/a%2Fb", true));
    for wrong in [
        "/files/..%2fadmin/",
        "/files/%2fa",
        "/files%2fx",
        "/page/a%2fb",
        "/api%2fv1",
        "/files/a%5cb",
    ] {
        let refused = stack.get(wrong).field("Accept", "application/json").send();
        assert_eq!(refused.code(), "malformed_path", "{wrong}");
    }
    let other = stack
        .get("/files/a%2fb")
        .field("Host", "files.example")
        .field("Accept", "application/json")
        .send();
    assert_eq!(other.code(), "malformed_path", "the other host's route allows it, too");
    let large = |host: &str| {
        let request = stack
            .post("/files/x")
            .field("Host", host)
            .field("Accept", "application/json");
        request
            .json(&serde_json::json!({"name": "longer than ten bytes"}))
            .send()
            .status
    };
    assert_eq!((large("localhost"), large("files.example")), (200, 413));
}
