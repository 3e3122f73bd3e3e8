//! The hostile suite against a plain pass-through: a suite that cannot fail proves nothing.

use igny8_testkit::folder::TestFolder;
use igny8_testkit::hostile::exchange::{Exchange, exchange};
use igny8_testkit::hostile::judge::{Finding, Harm, Truth, judge};
use igny8_testkit::hostile::witness::{Server, Witness};
use igny8_testkit::hostile::{LAST_MARK, cases};
use igny8_testkit::http::get;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::{Child, binary};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// What a pass-through cannot keep from either server.
const HARMS: [Harm; 6] = [
    Harm::SessionLeaked,
    Harm::PanelReached,
    Harm::IdentityForged,
    Harm::RefusedArrived,
    Harm::UpgradeOffered,
    Harm::Unsigned,
];

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

    let cases = cases();
    let send = |(number, case)| exchange(case, number, &public, "a.b.c");
    let exchanges: Vec<Exchange> = cases.iter().enumerate().map(send).collect();
    assert_eq!(get(&public, "/x").field("X-Marker", LAST_MARK).send().status, 200);
    witness.wait_for(LAST_MARK);

    let truth = Truth {
        prefixes: ["/", "/public", "/api", "/admin"].map(str::to_owned).to_vec(),
        identity: ["1", "1", "owner"].map(str::to_owned),
    };
    judge(&cases, &exchanges, &witness.records(), &truth)
}

fn assert_every_harm_is_found(findings: &[Finding], server: &[Harm]) {
    let found: BTreeSet<Harm> = findings.iter().map(|finding| finding.harm).collect();
    for harm in HARMS.iter().chain(server) {
        assert!(
            found.contains(harm),
            "the suite does not see {harm:?}; it saw {found:?}"
        );
    }
}

#[test]
fn before_gunicorn_a_pass_through_does_every_harm() {
    let findings = findings_before(Server::Gunicorn);
    for finding in findings
        .iter()
        .filter(|f| !matches!(f.harm, Harm::Unsigned | Harm::WrongVerdict))
    {
        println!("{finding}");
    }
    assert_every_harm_is_found(&findings, &[]);
}

#[test]
fn before_waitress_a_pass_through_does_every_harm() {
    let findings = findings_before(Server::Waitress);
    for finding in findings
        .iter()
        .filter(|f| !matches!(f.harm, Harm::Unsigned | Harm::WrongVerdict))
    {
        println!("{finding}");
    }
    assert_every_harm_is_found(&findings, &[]);
}
