//! What happens when something behind the proxy is down: never a hole, always an answer, and recovery by itself.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::django::{STAFF, SUPERUSER};
use igny8_testkit::http::get;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, Stack};
use igny8_testkit::wait::{Deadline, wait_until};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

#[track_caller]
fn assert_envelope(answer: &Response, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
    assert!(
        answer.json()["request_id"].as_str().is_some_and(|id| !id.is_empty()),
        "{}",
        answer.text()
    );
}

#[test]
fn an_app_that_is_down_is_502_and_comes_back_by_itself() {
    let stack = Stack::builder().start();
    let member = stack.sign_up();
    stack.wait_for_app(&member, Duration::from_secs(5));
    stack.kill_app();
    let answer = stack.get("/api/v1/whoami/").bearer(&member.access).send();
    assert_envelope(&answer, 502, "upstream_unreachable");
    let post = stack
        .post("/api/v1/sites/")
        .bearer(&member.access)
        .json(&serde_json::json!({"name": "x"}))
        .send();
    assert_envelope(&post, 502, "upstream_unreachable");
    let page = stack.get("/").field("Accept", "text/html").send();
    assert_eq!(page.status, 502);
    assert!(
        page.field("Content-Type")
            .is_some_and(|kind| kind.starts_with("text/html")),
        "{:?}",
        page.fields
    );
    assert_eq!(
        get(&stack.public, "/healthz").send().status,
        200,
        "the proxy went down with the app"
    );
    assert_eq!(
        stack.get("/api/v1/credits/").bearer(&member.access).send().status,
        200,
        "core's routes went with it"
    );

    stack.start_app();
    stack.wait_for_app(&member, Duration::from_secs(5));
}

#[test]
fn an_app_that_takes_connections_and_never_answers_is_504() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stack = Stack::builder()
        .app(App::At(silent.local_addr().unwrap().to_string()))
        .proxy(|file| set(file, "upstream.app.read_timeout", "500ms"))
        .start();
    let member = stack.sign_up();
    let answer = stack.get("/api/v1/whoami/").bearer(&member.access).send();
    assert_envelope(&answer, 504, "upstream_timeout");
}

#[test]
fn without_core_known_accounts_go_on_and_nobody_else_does() {
    let stack = Stack::builder().start();
    let (known, stranger, staff) = (stack.sign_up(), stack.sign_up(), stack.staff(false));
    assert_eq!(stack.get("/api/v1/whoami/").bearer(&known.access).send().status, 200);
    assert_eq!(stack.get("/api/v1/whoami/").bearer(&staff.access).send().status, 200);
    let session = stack.django_session(STAFF);
    stack.kill_core();

    for _ in 0..5 {
        let answer = stack.get("/api/v1/whoami/").bearer(&known.access).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["account_id"], known.account_id);
    }
    let answer = stack.get("/api/v1/whoami/").bearer(&stranger.access).send();
    assert_envelope(&answer, 503, "core_unavailable");
    // The copy of what is known of staff may be used while it is fresh; once it is not, they wait.
    wait_until("staff to be refused", Duration::from_secs(10), || {
        let answer = stack.get("/api/v1/whoami/").bearer(&staff.access).send();
        (answer.status == 503 && answer.code() == "core_unavailable").then_some(())
    });
    // Cookies are dropped all the same.
    let page = stack.get("/").cookie(&session.cookie()).send();
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("nobody: no session came with the request"),
        "{}",
        page.text()
    );
    let api = stack.get("/api/v1/whoami/").cookie(&session.cookie()).send();
    assert_envelope(&api, 403, "session_not_allowed");
    let sign_up = stack.try_sign_up("somebody@example.com");
    assert!(sign_up.status == 502 || sign_up.status == 503, "{}", sign_up.text());

    stack.start_core();
    wait_until("the stranger to be served", Duration::from_secs(10), || {
        (stack.get("/api/v1/whoami/").bearer(&stranger.access).send().status == 200).then_some(())
    });
    assert_eq!(stack.get("/api/v1/whoami/").bearer(&staff.access).send().status, 200);
}

#[test]
fn a_short_stale_max_takes_nothing_from_a_core_that_answers_and_counts_from_when_it_no_longer_does() {
    let stale_max = Duration::from_secs(6);
    let stack = Stack::builder().proxy(|file| set(file, "core.stale_max", "6s")).start();
    let member = stack.sign_up();
    let ask = || stack.get("/api/v1/whoami/").bearer(&member.access).send();
    let up = Deadline::after(stale_max + Duration::from_secs(2));
    wait_until("the first key set to grow old", stale_max * 3, || {
        let ready = get(&stack.ops, "/readyz").send();
        assert_eq!(ready.status, 200, "{}", ready.text());
        assert_eq!(ask().status, 200);
        up.remaining().is_none().then_some(())
    });
    stack.kill_core();
    let down = Deadline::after(stale_max / 2);
    wait_until("half of the time to go by", stale_max * 3, || {
        let answer = ask();
        assert_eq!(answer.status, 200, "{}", answer.text());
        down.remaining().is_none().then_some(())
    });
    wait_until("what is known to be too old", stale_max * 3, || {
        (ask().code() == "core_unavailable").then_some(())
    });
}

#[test]
fn a_session_that_nobody_answers_for_is_dropped_on_pages_and_refused_on_the_api() {
    let ports = PortBlock::claim();
    let nobody = format!("http://{}/internal/session/", ports.address(0));
    let stack = Stack::builder()
        .proxy(move |file| set(file, "sessions.app_introspection", nobody))
        .start();
    let session = stack.django_session(SUPERUSER);
    let page = stack.get("/").cookie(&session.cookie()).send();
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(
        page.text().contains("nobody: no session came with the request"),
        "{}",
        page.text()
    );
    let api = stack.get("/api/v1/whoami/").cookie(&session.cookie()).send();
    assert_envelope(&api, 403, "session_not_allowed");
    let with_token = stack
        .get("/api/v1/whoami/")
        .bearer(&stack.sign_up().access)
        .cookie(&session.cookie())
        .send();
    assert_eq!(with_token.status, 200, "{}", with_token.text());
    assert_eq!(
        stack.get("/admin/").cookie(&session.cookie()).send().status,
        200,
        "the panel went with it"
    );
    let logout = stack.post("/api/v1/auth/logout/").cookie(&session.cookie()).send();
    assert_eq!(logout.status, 204, "{}", logout.text());
}

/// An app whose sessions are all superusers' and cannot be ended: a fault that the real app has no switch for.
fn app_that_cannot_end_sessions() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let (status, body) = match head.first().map_or("", String::as_str) {
                line if line.starts_with("GET /internal/session/ ") => (
                    "200 OK",
                    r#"{"authenticated": true, "is_staff": true, "is_superuser": true, "user_id": 1, "account_id": null}"#,
                ),
                line if line.starts_with("DELETE /internal/session/ ") => ("500 Internal Server Error", "{}"),
                _ => ("200 OK", "the app was reached"),
            };
            let _the_proxy_may_be_gone = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

#[test]
fn a_superusers_session_that_cannot_be_ended_passes_nowhere() {
    let stack = Stack::builder().app(App::At(app_that_cannot_end_sessions())).start();
    for path in ["/api/v1/whoami/", "/", "/api/v1/plans/"] {
        for _ in 0..2 {
            let answer = stack
                .get(path)
                .field("Accept", "application/json")
                .cookie("sessionid=abcdefghijklmnopqrstuvwxyz012345")
                .send();
            assert_envelope(&answer, 503, "session_source_unavailable");
        }
    }
    let logout = stack.post("/api/v1/auth/logout/");
    let answer = logout.cookie("sessionid=abcdefghijklmnopqrstuvwxyz012345").send();
    assert_envelope(&answer, 503, "session_source_unavailable");
    assert_eq!(stack.get("/").send().text(), "the app was reached");
}
