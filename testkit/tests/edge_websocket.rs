//! WebSockets through the real proxy, to a real server: only where a route says so, and no longer than whoever opened one may.

use igny8_testkit::config::set;
use igny8_testkit::edge::{Certificate, add_route, program};
use igny8_testkit::folder::TestFolder;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::Child;
use igny8_testkit::raw::Connection;
use igny8_testkit::stack::{App, Builder, GENEROUS_LIMITS, Member, Stack};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A stack with a WebSocket server behind it.
struct Edge {
    stack: Stack,
    _app: Child,
    _ports: PortBlock,
}

fn start(change: impl FnOnce(Builder) -> Builder) -> Edge {
    let ports = PortBlock::claim();
    let address = ports.address(0);
    let builder = Stack::builder().app(App::At(address.clone())).proxy(|proxy| {
        add_route(
            proxy,
            "prefix = \"/ws\"\nkind = \"page\"\nupstream = \"app\"\nwebsocket = true",
        );
        let keys = "prefix = \"/api/ws\"\nkind = \"api\"\nupstream = \"app\"\nwebsocket = true\n\
                    cors = { origins = [\"https://app.example\"] }";
        add_route(proxy, keys);
    });
    let stack = change(builder).start();
    let log = stack.var.join("log/websocket_app.log");
    let mut app = Child::start("the WebSocket server", &program("websocket_app.py", &[&address]), &log);
    app.wait_until("the WebSocket server", PATIENCE, || TcpStream::connect(&address).ok());
    Edge {
        stack,
        _app: app,
        _ports: ports,
    }
}

/// A client under way, and what it has printed.
struct Visitor(Child);

impl Visitor {
    fn start(edge: &Edge, name: &str, path: &str, fields: &[&str]) -> Self {
        let mut arguments = vec![edge.stack.public.as_str(), path];
        arguments.extend(fields);
        let log = edge.stack.var.join(format!("log/{name}.log"));
        Self(Child::start(name, &program("websocket_client.py", &arguments), &log))
    }

    /// Waits for a step.
    #[track_caller]
    fn step(&self, step: &str) -> Value {
        wait_until(&format!("the step {step}"), PATIENCE, || {
            let log = self.0.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["step"] == step)
        })
    }
}

fn bearer(member: &Member) -> String {
    format!("Authorization=Bearer {}", member.access)
}

#[test]
fn a_tunnel_carries_what_both_sides_say_and_the_app_hears_who_asks() {
    let edge = start(|builder| builder);
    let member = edge.stack.sign_up();
    let own = format!("Origin=http://{}", edge.stack.public);
    let page = Visitor::start(
        &edge,
        "page",
        "/ws/echo",
        &[&own, "SAY=bye", "Cookie=a=1; sessionid=user-x"],
    );
    let fields = page.step("fields")["fields"].clone();
    assert_eq!(fields["Cookie"], "a=1", "{fields}");
    assert_eq!(page.step("large")["length"], 100_000);
    assert!(page.step("closed")["after"].as_f64().unwrap() < 5.0);

    let api = Visitor::start(
        &edge,
        "api",
        "/api/ws/echo",
        &[&bearer(&member), "X-Account-Id=9", "SAY=bye"],
    );
    let fields = api.step("fields")["fields"].clone();
    assert_eq!(fields["X-Account-Id"], member.account_id.to_string(), "{fields}");
    assert!(fields["X-Igny8-Edge"].is_string(), "{fields}");
    api.step("closed");
    assert!(
        edge.stack
            .metrics()
            .contains("igny8_tunnels_ended_total{reason=\"closed\"} 2")
    );
}

#[test]
fn a_tunnel_is_opened_only_where_it_is_allowed_and_from_an_allowed_origin() {
    let edge = start(|builder| builder);
    let member = edge.stack.sign_up();
    let own = format!("Origin=http://{}", edge.stack.public);
    let token = bearer(&member);
    for (name, path, fields, status) in [
        ("foreign", "/ws/x", vec!["Origin=https://evil.example"], 403),
        ("none", "/ws/x", vec![], 403),
        ("null", "/ws/x", vec!["Origin=null"], 403),
        (
            "foreign-api",
            "/api/ws/x",
            vec!["Origin=https://evil.example", token.as_str()],
            403,
        ),
        ("no-token", "/api/ws/x", vec![], 401),
        ("app-says-no", "/ws/deny", vec![own.as_str()], 403),
        // Elsewhere the offer is dropped, and what the app answers is an ordinary answer.
        ("no-route", "/other/x", vec![own.as_str()], 200),
    ] {
        let visitor = Visitor::start(&edge, name, path, &fields);
        let refused = visitor.step("refused");
        assert_eq!(refused["status"], status, "{name}: {refused}");
        if status == 200 {
            let text = refused["body"].as_str().unwrap();
            assert!(!text.contains("Upgrade"), "{text}");
        }
    }
    let listed = Visitor::start(
        &edge,
        "listed",
        "/api/ws/x",
        &["Origin=https://app.example", &token, "SAY=bye"],
    );
    listed.step("closed");
}

#[test]
fn a_dropped_offer_is_no_tunnel_for_the_bytes_behind_it() {
    let edge = start(|builder| builder);
    let host = &edge.stack.public;
    for offer in [
        "GET /other HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "GET /ws/x HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n",
        "GET /ws/x HTTP/1.1\r\nConnection: close\r\nUpgrade: websocket\r\n",
        "OPTIONS /ws/x HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        let mut connection = Connection::open(host).unwrap();
        let hidden = format!("GET /hidden HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let bytes = format!(
            "{offer}Host: {host}\r\nOrigin: http://{host}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{hidden}"
        );
        connection.send(bytes.as_bytes()).unwrap();
        let all = connection.read_to_end(PATIENCE);
        let text = String::from_utf8_lossy(all.as_deref().unwrap_or_default()).into_owned();
        assert!(!text.contains(" 101 "), "{offer}: {text}");
        assert!(text.matches("HTTP/1.1 ").count() <= 2, "{offer}: {text}");
    }
}

#[test]
fn a_sign_in_that_ended_and_an_account_that_was_suspended_end_their_tunnels() {
    let edge = start(|builder| builder);
    let (leaver, suspended, staff) = (edge.stack.sign_up(), edge.stack.sign_up(), edge.stack.staff(true));
    let stays = edge.stack.sign_up();
    let open = |name: &str, member: &Member| {
        let visitor = Visitor::start(&edge, name, "/api/ws/x", &[&bearer(member)]);
        visitor.step("echo");
        visitor
    };
    let (left, sent_away, mut staying) = (
        open("leaver", &leaver),
        open("suspended", &suspended),
        open("stays", &stays),
    );
    let out = edge.stack.post("/api/v1/auth/logout/").bearer(&leaver.access).send();
    assert_eq!(out.status, 204, "{}", out.text());
    left.step("closed");
    let path = format!("/api/v1/staff/accounts/{}/suspend/", suspended.account_id);
    let done = edge
        .stack
        .post(&path)
        .bearer(&staff.access)
        .json(&json!({"reason": "abuse"}))
        .send();
    assert_eq!(done.status, 200, "{}", done.text());
    sent_away.step("closed");
    let metrics = edge.stack.metrics();
    assert!(
        metrics.contains("igny8_tunnels_ended_total{reason=\"refused\"} 2"),
        "{metrics}"
    );
    assert!(
        metrics.contains("igny8_tunnels 1"),
        "others' tunnels ended, too: {metrics}"
    );
    assert!(staying.0.ended().is_none());
    wait_until("the access log to say so", PATIENCE, || {
        let said = "\"code\":\"account_suspended\",\"status\":101";
        edge.stack.proxy_log().contains(said).then_some(())
    });
}

#[test]
fn a_tunnels_line_says_what_a_limit_that_only_watches_would_have_refused() {
    let limits = GENEROUS_LIMITS.replace(
        "[default]\nrate = \"600000/m\"\nburst = 100000",
        "[default]\nrate = \"1/h\"\nburst = 1\nmode = \"shadow\"",
    );
    assert_ne!(limits, GENEROUS_LIMITS);
    let edge = start(|builder| builder.limits(&limits));
    let member = edge.stack.sign_up();
    for (name, path, shadow) in [
        ("within", "/api/ws/within", None),
        ("beyond", "/api/ws/beyond", Some("throttled")),
    ] {
        Visitor::start(&edge, name, path, &[&bearer(&member), "SAY=bye"]).step("closed");
        let line = wait_until("the line of the tunnel", PATIENCE, || {
            let log = edge.stack.proxy_log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["path"] == path)
        });
        assert_eq!(
            (&line["status"], &line["verdict"]),
            (&json!(101), &json!("forwarded")),
            "{line}"
        );
        assert_eq!(line.get("shadow").and_then(Value::as_str), shadow, "{line}");
        assert!(line["upstream_us"].as_u64() < line["took_us"].as_u64(), "{line}");
    }
}

#[test]
fn a_silent_tunnel_ends_and_wss_works() {
    let folder = TestFolder::new();
    let certificate = Certificate::make(folder.path(), "ws.example");
    let edge = start(|builder| certificate.serve(builder.proxy(|proxy| set(proxy, "server.stream_timeout", "1s"))));
    let own = format!("Origin=https://{}", edge.stack.public);
    let visitor = Visitor::start(&edge, "silent", "/ws/x", &[&own, "TLS=1"]);
    assert_eq!(visitor.step("large")["length"], 100_000);
    let after = visitor.step("closed")["after"].as_f64().unwrap();
    assert!(after > 0.5, "it ended after {after} s");
    let plain = format!("Origin=http://{}", edge.stack.public);
    let downgraded = Visitor::start(&edge, "downgraded", "/ws/x", &[&plain, "TLS=1"]);
    assert_eq!(downgraded.step("refused")["status"], 403);
}
