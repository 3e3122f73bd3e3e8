//! What routes say of the network around them, at the real proxy: CORS, networks, hosts, encoded slashes, shadow, and the
//! security fields of pages.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::edge::add_route;
use igny8_testkit::hostile::witness::{Server, Witness};
use igny8_testkit::http::Request;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::{binary, repository};
use igny8_testkit::raw::{Connection, PATIENCE, Response};
use igny8_testkit::stack::{App, GENEROUS_LIMITS, Stack};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
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
        "prefix = \"/sockets\"\nkind = \"page\"\nupstream = \"app\"\nwebsocket = true\ncors = { origins = [\"https://app.example\"] }",
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

/// An app that answers every request with these bytes.
fn app_that_says(answer: &'static str) -> String {
    app_that_answers(move |_| answer.to_owned())
}

/// An app that answers each request by its first line.
fn app_that_answers(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut lines = BufReader::new(&connection).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            if (&connection).write_all(answer(&first).as_bytes()).is_err() {
                return;
            }
        }
    });
    address
}

#[test]
fn a_page_gets_the_fields_that_its_app_left_out_and_no_answer_speaks_for_the_proxy() {
    let bare = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nServer: gunicorn/27\r\nX-Account-Id: 7\r\n\
                X-Igny8-Edge: v1\r\nX-User-Role: owner\r\nX-Forwarded-For: 1.2.3.4\r\nRemote-User: root\r\n\
                Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\r\nok";
    let own = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nReferrer-Policy: no-referrer\r\n\
               X-Content-Type-Options: other\r\nContent-Security-Policy: frame-ancestors https://a.example\r\n\r\nok";
    let before = |answer| {
        Stack::builder()
            .app(App::At(app_that_says(answer)))
            .proxy(routes)
            .start()
    };
    let stack = before(bare);
    let page = stack.get("/page").send();
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(page.field("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(page.field("Referrer-Policy"), Some("strict-origin-when-cross-origin"));
    assert_eq!(page.field("X-Frame-Options"), Some("SAMEORIGIN"));
    assert_eq!(page.field("Strict-Transport-Security"), None, "told without TLS");
    for name in [
        "Server",
        "X-Account-Id",
        "X-Igny8-Edge",
        "X-User-Role",
        "X-Forwarded-For",
        "Remote-User",
    ] {
        assert_eq!(page.field(name), None, "{name}");
    }
    // Where the proxy has a rule, what the app says of CORS is gone; elsewhere the app speaks for itself.
    let ruled = stack.get("/with/x").field("Origin", "https://evil.example").send();
    assert_cors(&ruled, None, false);
    assert_eq!(page.field("Access-Control-Allow-Origin"), Some("*"));
    let hop = stack
        .get("/page")
        .field("X-Forwarded-For", "8.8.8.8")
        .field("X-Forwarded-Proto", "https")
        .send();
    assert_eq!(hop.field("Strict-Transport-Security"), Some("max-age=31536000"));

    let page = before(own).get("/page").send();
    assert_eq!(page.all("Referrer-Policy"), ["no-referrer"]);
    assert_eq!(page.all("X-Content-Type-Options"), ["other"]);
    assert_eq!(page.field("X-Frame-Options"), None);
}

#[test]
fn an_interim_answer_says_no_more_than_a_final_one_and_a_tunnel_that_nobody_asked_for_is_none() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Account-Id: 7\r\nServer: gunicorn/27\r\n\
                 Set-Cookie: sessionid=hint; Path=/\r\nSet-Cookie: theme=dark\r\nRemote-User: root\r\n\
                 Access-Control-Allow-Origin: *\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\
                  Set-Cookie: sessionid=tunnel\r\n\r\nTUNNEL";
    let app = app_that_answers(move |line| match line.split(['?', ' ']).nth(2).unwrap_or_default() {
        "hints" => format!("{hints}{last}"),
        "hints-alone" => hints.to_owned(),
        "websocket" => switch.replace("Upgrade: x", "Upgrade: websocket"),
        _ => switch.to_owned(),
    });
    let stack = Stack::builder().app(App::At(app)).proxy(routes).start();
    let ask = |path: &str, fields: &str| {
        let mut connection = Connection::open(&stack.public).unwrap();
        let host = &stack.public;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{fields}\r\n");
        connection.send(request.as_bytes()).unwrap();
        let all = connection.read_to_end(PATIENCE).unwrap_or_default();
        String::from_utf8_lossy(&all).into_owned()
    };
    let closing = "Connection: close\r\n";
    for path in ["/page", "/with/x"] {
        let told = ask(&format!("{path}?hints"), closing);
        let (interim, rest) = told.split_once("\r\n\r\n").unwrap();
        assert!(interim.starts_with("HTTP/1.1 103 "), "{told}");
        assert!(
            interim.contains("\r\nLink: </a.css>") && rest.starts_with("HTTP/1.1 200 "),
            "{told}"
        );
        for owned in ["X-Account-Id", "Server:", "sessionid", "Remote-User"] {
            assert!(!told.contains(owned), "{owned}: {told}");
        }
        assert_eq!(
            interim.contains("Access-Control-Allow-Origin"),
            path == "/page",
            "{told}"
        );
        assert!(interim.contains("theme=dark"), "{told}");
    }
    // On the panel's route a session is set as by a final answer: for the panel alone.
    let told = ask("/admin/x?hints", closing);
    assert!(told.contains("sessionid=hint; Path=/admin/; HttpOnly"), "{told}");

    let asked = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://app.example\r\n";
    for (path, fields) in [
        ("/page", closing),
        ("/page", "Connection: upgrade\r\nUpgrade: x\r\n"),
        ("/page?websocket", asked),
        // Asked for, and something else agreed to.
        ("/sockets/x", asked),
    ] {
        let told = ask(path, fields);
        assert!(told.starts_with("HTTP/1.1 502 "), "{path} {fields}: {told}");
        assert!(told.contains("upstream_unreachable"), "{told}");
        assert!(!told.contains("sessionid") && !told.contains("TUNNEL"), "{told}");
    }
    // A promise is no answer: when nothing more comes, that is said.
    let told = ask("/page?hints-alone", closing);
    assert!(
        told.contains("HTTP/1.1 502 ") && told.contains("upstream_unreachable"),
        "{told}"
    );
}

#[test]
fn check_lists_where_a_file_is_wider_than_the_default_and_names_the_line_of_what_is_wrong() {
    let stack = &shared().stack;
    let file = stack.var.join("run/check.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(binary("igny8-proxy"))
            .args(["check", "--config"])
            .arg(&file)
            .current_dir(repository())
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
    };
    let text = std::fs::read_to_string(stack.var.join("run/proxy.toml")).unwrap();
    stack.save_limits(&format!(
        "{GENEROUS_LIMITS}[scope.writer]\nrate = \"1/m\"\nburst = 1\nmode = \"shadow\"\n"
    ));
    let (status, printed) = check(&text);
    stack.save_limits(GENEROUS_LIMITS);
    assert_eq!(status, Some(0), "{printed}");
    for wider in [
        "server.trusted_hops: what 127.0.0.1 says",
        "cors: scripts of https://app.example may read",
        "route `/with`: cors: scripts of https://app.example may read answers, with credentials",
        "route `/watched`: mode = \"shadow\"",
        "route `/files`: allow: encoded_slash",
        "route `/api/v1/auth/logout`: cookies_allow",
        "route `/api/v1/billing`: standing = \"any\"",
        "limits `scope.writer`: mode = \"shadow\"",
    ] {
        assert!(printed.contains(wider), "{wider} is not in:\n{printed}");
    }
    let route = "[[route]]\nprefix = \"/z\"\nkind = \"page\"\nupstream = \"app\"\n";
    for (more, part) in [
        (
            format!("{route}networks = [\"10.0.0.0/40\"]\n"),
            "`10.0.0.0/40` is no address and no network",
        ),
        (
            format!("{route}cors = {{ origins = [\"*\"], credentials = true }}\n"),
            "credentials never go with",
        ),
        (
            format!("{route}cors = {{ origins = [\"https://a.b/c\"] }}\n"),
            "is no origin",
        ),
        (format!("{route}websockets = true\n"), "did you mean `websocket`?"),
        (format!("{route}mode = \"shadows\"\n"), "did you mean `shadow`?"),
        (format!("{route}allow = [\"encoded_slashes\"]\n"), "encoded_slash"),
    ] {
        let (status, printed) = check(&format!("{text}\n{more}"));
        assert_eq!(status, Some(1), "{more}: {printed}");
        assert!(printed.contains(part), "{more}: {printed}");
        assert!(printed.contains("check.toml:"), "no line: {printed}");
    }
    let (_, printed) = check(&format!(
        "{text}\n[[route]]\nprefix = \"/admin/x\"\nkind = \"admin\"\nupstream = \"app\"\nallow = [\"encoded_slash\"]\n"
    ));
    assert!(
        printed.contains("allow: never on an admin route or above one"),
        "{printed}"
    );
}
