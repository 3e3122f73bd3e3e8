//! `script/server` as a person uses it: one command to a running igny8, clear errors, and nothing left when it stops.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::folder::TestFolder;
use igny8_testkit::http::{get, post};
use igny8_testkit::panel;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::{Child, binary_folder, is_running, repository, wait_until_gone};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Building again what is already built (the front end may have to be built first), preparing two databases, starting three
/// processes.
const START: Duration = Duration::from_secs(420);
const STOP: Duration = Duration::from_secs(40);

fn script() -> Command {
    let mut command = Command::new(repository().join("script/server"));
    // The build that this test belongs to, so that nothing is built twice.
    command.env("CARGO_TARGET_DIR", binary_folder().parent().unwrap());
    command
}

/// A running `script/server` with its folder and its ports.
struct Server {
    script: Child,
    ports: PortBlock,
    folder: TestFolder,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let (ports, folder) = (PortBlock::claim(), TestFolder::new());
        let mut command = script();
        let var = folder.path().join("var");
        command
            .args(["--port", &ports.port(0).to_string(), "--var"])
            .arg(&var)
            .args(options);
        let mut script = Child::start("script/server", &command, &folder.path().join("output"));
        let ready = format!("ready http://{}", ports.address(0));
        let output = folder.path().join("output");
        script.wait_until("the line that says it is ready", START, || {
            std::fs::read_to_string(&output)
                .ok()?
                .lines()
                .any(|line| line == ready)
                .then_some(())
        });
        Self { script, ports, folder }
    }

    fn public(&self) -> String {
        self.ports.address(0)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("var").join(name)
    }

    fn sign_up(&self, email: &str) -> Value {
        let body = json!({"email": email, "password": "correct horse battery staple"});
        let answer = post(&self.public(), "/api/v1/auth/register/").json(&body).send();
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["data"].clone()
    }
}

/// Every process that descends from this one, itself included.
fn family(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(id);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        found.extend(children.get(&id).into_iter().flatten());
        next += 1;
    }
    found
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o777
}

fn refused(options: &[&str]) -> Output {
    let output = script().args(options).output().unwrap();
    assert!(!output.status.success(), "{options:?} was taken");
    output
}

#[test]
fn one_command_starts_the_main_job_and_stopping_it_leaves_nothing_running() {
    let mut server = Server::start(&["--demo"]);
    let member = server.sign_up("me@example.com");
    assert_eq!(member["account"]["credits"], 2000);
    let token = member["access"].as_str().unwrap();
    let believed = get(&server.public(), "/api/v1/whoami/").bearer(token).send();
    assert_eq!(
        believed.json()["account_id"],
        member["account"]["id"],
        "{}",
        believed.text()
    );
    the_front_end_is_served(&server);
    let panel = get(&server.public(), "/admin/sign-in/").send();
    assert!(
        panel.status == 200 && panel.text().contains("igny8"),
        "{}",
        panel.text()
    );
    assert_eq!(get(&server.public(), "/static/app.css").send().status, 200);
    // Asked directly, the example shows its fault, but believes no identity that the proxy did not sign.
    let forged = get(&server.ports.address(4), "/api/v1/whoami/")
        .field("X-Account-Id", "1")
        .field("X-User-Id", "1")
        .send();
    assert_eq!(
        (forged.status, &forged.json()["account_id"]),
        (200, &serde_json::Value::Null),
        "{}",
        forged.text()
    );

    the_demos_people_can_sign_in(&server);
    for folder in ["secrets", "keys", "db", "mail", "run", "log"] {
        assert_eq!(mode(&server.file(folder)), 0o700, "{folder}");
        for entry in std::fs::read_dir(server.file(folder)).unwrap().flatten() {
            assert_eq!(
                mode(&entry.path()) & 0o077,
                0,
                "{} is readable by others",
                entry.path().display()
            );
        }
    }

    let family = family(server.script.id());
    assert!(
        family.len() >= 5,
        "core, app with workers and proxy were not found: {family:?}"
    );
    server.script.signal("TERM");
    for id in family {
        wait_until_gone(id, STOP);
    }
    assert_eq!(
        server.script.ended().and_then(|status| status.code()),
        Some(0),
        "{}",
        server.script.log_tail()
    );
    for offset in 0..6 {
        TcpListener::bind(server.ports.address(offset)).expect("a port is still held");
    }
}

fn the_front_end_is_served(server: &Server) {
    let page = get(&server.public(), "/").send();
    assert_eq!(page.status, 200);
    let policy = page.field("content-security-policy").unwrap_or_default().to_owned();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    assert_eq!(page.field("cache-control"), Some("no-cache"));
    let text = page.text();
    let script = text
        .split('"')
        .find(|part| part.starts_with("/assets/") && part.ends_with(".js"));
    let script = get(
        &server.public(),
        script.unwrap_or_else(|| panic!("the page loads no script")),
    )
    .send();
    assert_eq!(script.status, 200);
    assert_eq!(
        script.field("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    // Every path of the app is its page, whatever is missing is missing, and nothing else of the folder is told.
    assert_eq!(get(&server.public(), "/planner/keywords").send().text(), text);
    for missing in ["/assets/gone.js", "/assets/", "/.vite/manifest.json", "/robots.txt"] {
        assert_eq!(get(&server.public(), missing).send().status, 404, "{missing}");
    }
    for site in ["/marketing/", "/published/"] {
        assert_eq!(get(&server.public(), site).send().status, 200, "{site}");
    }
}

fn the_demos_people_can_sign_in(server: &Server) {
    let path = server.file("demo.json");
    assert_eq!(mode(&path), 0o600);
    let demo: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(demo["url"], format!("http://{}", server.public()));
    for who in ["staff", "owner", "other"] {
        assert_eq!(demo[who].as_object().unwrap().len(), 2, "{demo}");
        let login = post(&server.public(), "/api/v1/auth/login/").json(&demo[who]).send();
        assert_eq!(login.status, 200, "{who}: {}", login.text());
        let role = &login.json()["data"]["user"]["platform_role"];
        assert_eq!(role == "admin", who == "staff", "{who}: {role}");
    }
    assert!(demo.get("app_admin").is_none(), "the app's panel is not there: {demo}");
    for (who, status) in [("staff", 303), ("owner", 401)] {
        let text = |name: &str| demo[who][name].as_str().unwrap();
        let answer = panel::sign_in(&server.public(), text("email"), text("password"));
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
    }
    let output = std::fs::read_to_string(server.folder.path().join("output")).unwrap();
    assert!(
        output.contains(demo["owner"]["password"].as_str().unwrap()),
        "the credentials are not printed"
    );
}

#[test]
fn a_second_one_lives_beside_the_first_and_a_restart_finds_its_data() {
    let first = Server::start(&[]);
    let second = Server::start(&["--no-frontend", "--admin", "app", "--demo"]);
    first.sign_up("same@example.com");
    let member = second.sign_up("same@example.com");
    let pages = get(&second.public(), "/").send().text();
    assert!(pages.contains("/static/app.css"), "not the app's page: {pages}");
    assert!(!first.file("demo.json").exists(), "demo people without --demo");
    // The one has core's panel, the other the app's with a superuser of the app's own.
    assert_eq!(get(&first.public(), "/admin/sign-in/").send().status, 200);
    assert_eq!(get(&second.public(), "/admin/login/").send().status, 200);
    let demo: Value = serde_json::from_str(&std::fs::read_to_string(second.file("demo.json")).unwrap()).unwrap();
    let admin = &demo["app_admin"];
    assert!(admin["username"].is_string() && admin["password"].is_string(), "{demo}");

    second.script.signal("TERM");
    wait_until_gone(second.script.id(), STOP);
    assert_eq!(
        get(&first.public(), "/healthz").send().status,
        200,
        "stopping the second stopped the first"
    );
    let mut command = script();
    command
        .args(["--port", &second.ports.port(0).to_string(), "--var"])
        .arg(second.file(""));
    let log = second.folder.path().join("second-output");
    let mut again = Child::start("script/server", &command, &log);
    again.wait_until("the line that says it is ready", START, || {
        std::fs::read_to_string(&log)
            .ok()?
            .lines()
            .any(|line| line.starts_with("ready http://"))
            .then_some(())
    });
    // Keys are kept: the token of the first run still works.
    let token = member["access"].as_str().unwrap();
    assert_eq!(
        get(&second.public(), "/api/v1/whoami/").bearer(token).send().status,
        200
    );
}

#[test]
fn when_a_part_dies_everything_stops_and_says_which_part_it_was() {
    let mut server = Server::start(&[]);
    let family = family(server.script.id());
    let proxy = family
        .iter()
        .copied()
        .find(|id| command_line(*id).contains("igny8-proxy"))
        .expect("no proxy is running");
    assert!(
        Command::new("kill")
            .args(["-s", "KILL", &proxy.to_string()])
            .status()
            .unwrap()
            .success()
    );
    let status = wait_until("the script to end", STOP, || server.script.ended());
    assert_eq!(status.code(), Some(1));
    assert!(
        server.script.log_tail().contains("proxy ended by itself"),
        "{}",
        server.script.log_tail()
    );
    for id in family {
        assert!(!is_running(id), "{} is still running", command_line(id));
    }
}

fn command_line(id: u32) -> String {
    std::fs::read_to_string(format!("/proc/{id}/cmdline"))
        .unwrap_or_default()
        .replace('\0', " ")
}

#[test]
fn a_port_that_is_taken_is_an_error_before_anything_starts() {
    let (ports, folder) = (PortBlock::claim(), TestFolder::new());
    let _taken = TcpListener::bind(ports.address(3)).unwrap();
    let var = folder.path().join("var").display().to_string();
    let output = refused(&["--port", &ports.port(0).to_string(), "--var", &var]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("port {} is in use", ports.port(3))), "{said}");
}

#[test]
fn a_wrong_option_is_one_clear_sentence_and_exit_code_two() {
    for (options, word) in [
        (&["--bogus"][..], "--bogus"),
        (&["--port"], "--port"),
        (&["--port", "http"], "--port"),
        (&["--port", "0"], "--port"),
        (&["--port", "70000"], "--port"),
        (&["--port", "65530"], "--port"),
        (&["--var", ""], "--var"),
        (&["--database", "mysql://x"], "--database"),
        (&["--limits", "no-such-file.toml"], "--limits"),
        (&["--hosts", "a b"], "--hosts"),
        (&["--app", "ftp://x"], "--app"),
        (&["--app", "https://127.0.0.1:1"], "--app"),
        (&["--app-introspection", "no-slash"], "--app-introspection"),
        (&["--admin", "nobody"], "--admin"),
        (&["--shared-throttle", "http://127.0.0.1"], "--shared-throttle"),
    ] {
        let output = refused(options);
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word) && said.lines().count() == 1, "{options:?}: {said}");
    }
}

#[test]
fn help_shows_an_example_and_every_option() {
    let output = script().arg("--help").output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8_lossy(&output.stdout);
    for option in [
        "--port",
        "--var",
        "--database",
        "--shared-throttle",
        "--app",
        "--app-introspection",
        "--hosts",
        "--limits",
        "--no-frontend",
        "--demo",
        "--admin",
    ] {
        assert!(help.contains(&format!("\n  {option}")), "{option} is not described");
    }
    assert!(help.contains("script/server --port 9100"), "no example");
}
