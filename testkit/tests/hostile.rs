//! The hostile suite against the real proxy, before real servers: those that Python apps have, Node's own, and nginx.
//!
//! What the app saw is what was decided; one request in, at most one out. Every request of the tables goes to every server.
//! Those that the grammar makes are shared out: each server gets a stretch of its own.

use igny8_testkit::config::set;
use igny8_testkit::hostile::exchange::{Exchange, exchange_all};
use igny8_testkit::hostile::judge::{Finding, Truth, judge, judge_lines};
use igny8_testkit::hostile::witness::{Server, Witness};
use igny8_testkit::hostile::{Case, LAST_MARK, cases, grammar};
use igny8_testkit::ports::PortBlock;
use igny8_testkit::stack::{App, Stack};
use std::time::Duration;
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

#[track_caller]
fn assert_nothing_is_found_before(server: Server) {
    let ports = PortBlock::claim();
    let app = ports.address(0);
    let stack = Stack::builder()
        .app(App::At(app.clone()))
        .proxy(add_public_route)
        .start();
    let secret = stack.var.join("secrets/edge_app");
    let witness = Witness::start(server, &app, &stack.var, Some(&secret));
    let member = stack.sign_up();

    let made = made_for(server);
    let cases = [cases(), made].concat();
    let exchanges = exchange_all(&cases, &stack.public, &member.access, Duration::from_secs(20));
    assert_made_cases_go_both_ways(&cases, &exchanges);
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
    let mut findings = judge(&cases, &exchanges, &records, &truth);
    findings.extend(judge_lines(&cases, &exchanges, &witness.lines()));
    // Here, where a failure still keeps what the processes wrote.
    let text: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), text.join("\n"));
}

/// The stretch of the grammar's cases that goes to this server.
fn made_for(server: Server) -> Vec<Case> {
    let share = grammar::total() / Server::ALL.len();
    let place = Server::ALL.iter().position(|other| *other == server);
    let place = place.unwrap_or_else(|| panic!("{server:?} is not among all servers"));
    grammar::cases(grammar::seed(), place * share..(place + 1) * share)
}

/// A grammar whose requests are all refused would prove little, and so would one whose requests all go on.
fn assert_made_cases_go_both_ways(cases: &[Case], exchanges: &[Exchange]) {
    let made = cases.iter().zip(exchanges).filter(|(case, _)| case.family == "grammar");
    let statuses: Vec<u16> = made
        .filter_map(|(_, exchange)| exchange.answer.as_ref().map(|answer| answer.status))
        .collect();
    let passed = statuses.iter().filter(|status| **status == 200).count();
    let tenth = grammar::total() / Server::ALL.len() / 10;
    println!(
        "{} made requests were answered, {passed} of them by the app",
        statuses.len()
    );
    assert!(
        passed > tenth && statuses.len() - passed > tenth,
        "{passed} of {}",
        statuses.len()
    );
}

#[test]
fn before_gunicorn_what_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::Gunicorn);
}

#[test]
fn before_waitress_what_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::Waitress);
}

#[test]
fn before_uvicorn_with_h11_what_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::UvicornH11);
}

#[test]
fn before_uvicorn_with_httptools_what_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::UvicornHttptools);
}

#[test]
fn before_hypercorn_what_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::Hypercorn);
}

#[test]
fn before_node_what_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::Node);
}

#[test]
fn before_nginx_what_it_and_the_app_saw_is_what_was_decided() {
    assert_nothing_is_found_before(Server::Nginx);
}
