//! What becomes of an app's answers on their way through the real proxy: what they lose, and what pages gain.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::edge::add_route;
use igny8_testkit::raw::{Connection, PATIENCE};
use igny8_testkit::stack::{App, Stack};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use toml::{Table, Value};

fn routes(proxy: &mut Table) {
    set(proxy, "server.trusted_hops", Value::from(vec!["127.0.0.1"]));
    for keys in [
        "prefix = \"/with\"\nkind = \"public\"\nupstream = \"app\"\ncors = { origins = [\"https://app.example\"], credentials = true }",
        "prefix = \"/sockets\"\nkind = \"page\"\nupstream = \"app\"\nwebsocket = true\ncors = { origins = [\"https://app.example\"] }",
    ] {
        add_route(proxy, keys);
    }
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
    assert_eq!(ruled.field("Access-Control-Allow-Origin"), None);
    assert_eq!(ruled.field("Access-Control-Allow-Credentials"), None);
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
