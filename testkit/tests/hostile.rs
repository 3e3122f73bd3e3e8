//! The hostile suite against the real proxy, before real servers of every kind that Python apps have.
//!
//! What the app saw is what was decided; one request in, at most one out.

use igny8_testkit::config::set;
use igny8_testkit::hostile::exchange::exchange_all;
use igny8_testkit::hostile::judge::{Finding, Truth, judge};
use igny8_testkit::hostile::witness::{Server, Witness};
use igny8_testkit::hostile::{LAST_MARK, cases};
use igny8_testkit::ports::PortBlock;
use igny8_testkit::stack::{App, Stack};
use toml::{Table, Value};

/// The route that the cases know of beside those of `config/proxy.toml`.
fn add_public_route(proxy: &mut Table) {
    let keys = [("prefix", "/public"), ("kind", "public"), ("upstream", "app")];
    let route: Table = keys
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    if let Some(routes) = proxy.get_mut("route").and_then(Value::as_array_mut) {
        routes.push(Value::Table(route));
    }
    // Bytes that never come are given up soon.
    set(proxy, "server.body_timeout", "2s");
    set(proxy, "server.header_timeout", "2s");
}

fn findings_before(server: Server) -> Vec<Finding> {
    let ports = PortBlock::claim();
    let app = ports.address(0);
    let stack = Stack::builder()
        .app(App::At(app.clone()))
        .proxy(add_public_route)
        .start();
    let secret = stack.var.join("secrets/edge_app");
    let witness = Witness::start(server, &app, &stack.var, Some(&secret));
    let member = stack.sign_up();

    let cases = cases();
    let exchanges = exchange_all(&cases, &stack.public, &member.access);
    let last = stack.get("/x").field("X-Marker", LAST_MARK).send();
    assert_eq!(last.status, 200, "{}", last.text());
    witness.wait_for(LAST_MARK);

    let records = witness.records();
    for record in records.iter().filter(|record| record.introspection) {
        assert!(record.signed, "an unsigned look-up of a session: {record:?}");
    }
    let role = member.data["user"]["role"].as_str().unwrap_or("owner").to_owned();
    let truth = Truth {
        prefixes: ["/", "/static", "/public", "/api", "/admin"]
            .map(str::to_owned)
            .to_vec(),
        identity: [member.account_id.to_string(), member.user_id.to_string(), role],
    };
    judge(&cases, &exchanges, &records, &truth)
}

#[track_caller]
fn assert_nothing_found(findings: &[Finding]) {
    let text: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), text.join("\n"));
}

#[test]
fn before_gunicorn_what_the_app_saw_is_what_was_decided() {
    assert_nothing_found(&findings_before(Server::Gunicorn));
}

#[test]
fn before_waitress_what_the_app_saw_is_what_was_decided() {
    assert_nothing_found(&findings_before(Server::Waitress));
}

#[test]
fn before_uvicorn_with_h11_what_the_app_saw_is_what_was_decided() {
    assert_nothing_found(&findings_before(Server::UvicornH11));
}

#[test]
fn before_uvicorn_with_httptools_what_the_app_saw_is_what_was_decided() {
    assert_nothing_found(&findings_before(Server::UvicornHttptools));
}

#[test]
fn before_hypercorn_what_the_app_saw_is_what_was_decided() {
    assert_nothing_found(&findings_before(Server::Hypercorn));
}
