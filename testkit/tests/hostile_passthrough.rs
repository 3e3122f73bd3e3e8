//! The hostile suite against a plain pass-through: a suite that cannot fail proves nothing.

use igny8_testkit::folder::TestFolder;
use igny8_testkit::hostile::exchange::exchange_all;
use igny8_testkit::hostile::judge::{Finding, Harm, Truth, judge};
use igny8_testkit::hostile::witness::{Server, Witness};
use igny8_testkit::hostile::{Case, LAST_MARK, cases, grammar};
use igny8_testkit::http::get;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::{Child, binary};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// What a pass-through cannot keep from either server.
const HARMS: [Harm; 8] = [
    Harm::MoreOutThanIn,
    Harm::HiddenArrived,
    Harm::SessionLeaked,
    Harm::PanelReached,
    Harm::IdentityForged,
    Harm::RefusedArrived,
    Harm::UpgradeOffered,
    Harm::Unsigned,
];

/// The tables, and a stretch of what the grammar makes.
fn all_cases() -> Vec<Case> {
    [cases(), grammar::cases(grammar::seed(), 0..300)].concat()
}

fn findings_before(server: Server) -> Vec<Finding> {
    let folder = TestFolder::new();
    let ports = PortBlock::claim();
    let (public, app) = (ports.address(0), ports.address(1));
    let witness = Witness::start(server, &app, folder.path(), None);
    let mut command = Command::new(binary("passthrough"));
    command.env("LISTEN", &public).env("UPSTREAM", &app);
    let mut proxy = Child::start("passthrough", &command, &folder.path().join("passthrough.log"));
    proxy.wait_until("the pass-through to listen", Duration::from_secs(10), || {
        TcpStream::connect(&public).ok()
    });

    let cases = all_cases();
    let exchanges = exchange_all(&cases, &public, "a.b.c", Duration::from_secs(3));
    assert_eq!(get(&public, "/x").field("X-Marker", LAST_MARK).send().status, 200);
    witness.wait_for(LAST_MARK);

    let truth = Truth {
        prefixes: ["/", "/public", "/api", "/admin"].map(str::to_owned).to_vec(),
        identity: ["1", "1", "owner"].map(str::to_owned),
    };
    judge(&cases, &exchanges, &witness.records(), &truth)
}

/// Every harm, and something in every table: no part of the suite is blind.
#[track_caller]
fn assert_nothing_escapes_the_suite(findings: &[Finding]) {
    let found: BTreeSet<Harm> = findings.iter().map(|finding| finding.harm).collect();
    for harm in HARMS {
        assert!(
            found.contains(&harm),
            "the suite does not see {harm:?}; it saw {found:?}"
        );
    }
    // Nothing that a pass-through lets through is signed; that alone would say nothing about a table.
    let others = findings.iter().filter(|finding| finding.harm != Harm::Unsigned);
    let families: BTreeSet<&str> = others.map(|finding| finding.family).collect();
    for case in all_cases() {
        assert!(
            families.contains(case.family),
            "the suite finds nothing in: {}",
            case.family
        );
    }
}

#[test]
fn before_gunicorn_a_pass_through_does_every_harm() {
    assert_nothing_escapes_the_suite(&findings_before(Server::Gunicorn));
}

#[test]
fn before_waitress_a_pass_through_does_every_harm() {
    assert_nothing_escapes_the_suite(&findings_before(Server::Waitress));
}

#[test]
fn before_node_a_pass_through_does_every_harm() {
    assert_nothing_escapes_the_suite(&findings_before(Server::Node));
}
