//! `igny8-proxy check`: what is wrong with the proxy's two files, and where they are wider than the default, for people and
//! for scripts. Nothing runs beside it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::folder::TestFolder;
use igny8_testkit::process::{binary, repository};
use igny8_testkit::stack::GENEROUS_LIMITS;
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

/// A folder with the files that are shipped, changed as a test wants them.
struct Files(TestFolder);

impl Files {
    fn new() -> Self {
        let files = Self(TestFolder::new());
        files.write("edge_app", &"ab".repeat(32));
        files.write("internal_token", "t");
        files.write("limits.toml", "[default]\nrate = \"600/m\"\nburst = 100\n");
        files.write("check.toml", &shipped());
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A command of the proxy's on these files.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("igny8-proxy"));
        for (key, file) in [
            ("UPSTREAM__APP__EDGE_SECRET_FILE", "edge_app"),
            ("CORE__TOKEN_FILE", "internal_token"),
            ("SERVER__LIMITS_FILE", "limits.toml"),
        ] {
            command.env(format!("IGNY8_PROXY__{key}"), self.path(file));
        }
        command
            .args(arguments)
            .args(["--config", &self.path("check.toml")])
            .current_dir(repository());
        command
    }

    /// The exit code of a check, and all that it printed.
    fn check(&self, text: &str) -> (Option<i32>, String) {
        self.write("check.toml", text);
        told(&self.command(&["check"]).output().unwrap())
    }
}

fn shipped() -> String {
    std::fs::read_to_string(repository().join("config/proxy.toml")).unwrap()
}

fn told(output: &Output) -> (Option<i32>, String) {
    let printed = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output).1))
}

const ROUTE: &str = "[[route]]\nprefix = \"/z\"\nkind = \"page\"\nupstream = \"app\"\n";

#[test]
fn check_lists_where_the_files_are_wider_than_the_default() {
    let files = Files::new();
    let text = shipped().replace("trusted_hops = []", "trusted_hops = [\"127.0.0.1\"]");
    files.write(
        "limits.toml",
        &format!("{GENEROUS_LIMITS}[scope.writer]\nrate = \"1/m\"\nburst = 1\nmode = \"shadow\"\n"),
    );
    let (status, printed) = files.check(&format!(
        "{text}\n{ROUTE}mode = \"shadow\"\nallow = [\"encoded_slash\"]\n\
         cors = {{ origins = [\"https://app.example\"], credentials = true }}\n"
    ));
    assert_eq!(status, Some(0), "{printed}");
    assert!(
        printed.contains("limits.toml are valid\nwider than the default:\n"),
        "{printed}"
    );
    for wider in [
        "server.trusted_hops = [\"127.0.0.1\"] (default []): ",
        "route `/z`: cors.origins = [\"https://app.example\"] (default []): ",
        "route `/z`: cors.credentials = true (default false): ",
        "route `/z`: mode = \"shadow\" (default \"enforce\"): ",
        "route `/z`: allow = [\"encoded_slash\"] (default []): ",
        "route `/api/v1/auth/logout`: cookies_allow",
        "route `/api/v1/billing`: standing = \"any\"",
        "limits `default`: rate",
        "limits `scope.writer`: mode = \"shadow\"",
    ] {
        assert!(printed.contains(wider), "{wider} is not in:\n{printed}");
    }
}

#[test]
fn check_names_the_line_of_what_is_wrong() {
    let (files, text) = (Files::new(), shipped());
    for (more, part) in [
        (
            format!("{ROUTE}networks = [\"10.0.0.0/40\"]\n"),
            "`10.0.0.0/40` is no address and no network",
        ),
        (
            format!("{ROUTE}cors = {{ origins = [\"*\"], credentials = true }}\n"),
            "credentials never go with",
        ),
        (
            format!("{ROUTE}cors = {{ origins = [\"https://a.b/c\"] }}\n"),
            "is no origin",
        ),
        (format!("{ROUTE}websockets = true\n"), "did you mean `websocket`?"),
        (format!("{ROUTE}mode = \"shadows\"\n"), "did you mean `shadow`?"),
        (format!("{ROUTE}allow = [\"encoded_slashes\"]\n"), "encoded_slash"),
    ] {
        let (status, printed) = files.check(&format!("{text}\n{more}"));
        assert_eq!(status, Some(1), "{more}: {printed}");
        assert!(printed.contains(part), "{more}: {printed}");
        assert!(printed.contains("check.toml:"), "no line: {printed}");
    }
    let (_, printed) = files.check(&format!(
        "{text}\n[[route]]\nprefix = \"/admin/x\"\nkind = \"admin\"\nupstream = \"app\"\nallow = [\"encoded_slash\"]\n"
    ));
    assert!(
        printed.contains("allow: never on an admin route or above one"),
        "{printed}"
    );
}

#[test]
fn a_script_is_told_in_json_what_a_person_is_told_in_text() {
    let files = Files::new();
    let output = files
        .command(&["check", "--json"])
        .env("IGNY8_PROXY__SERVER__BODY_TIMEOUT", "90s")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output).1);
    let findings = json(&output);
    assert_eq!(findings["valid"], true);
    for (key, file) in [("config", "check.toml"), ("limits", "limits.toml")] {
        assert_eq!(findings[key].as_str(), Some(files.path(file).as_str()));
    }
    let notes = findings["notes"].to_string();
    for scope in ["auth", "webhooks"] {
        assert!(
            notes.contains(&format!("the scope `{scope}`, which has no limit")),
            "{notes}"
        );
    }
    let wider = findings["wider"].as_array().unwrap();
    let found = wider
        .iter()
        .find(|wider| wider["key"] == "server.body_timeout")
        .unwrap();
    assert_eq!(
        (&found["default"], &found["value"]),
        (&Value::from("30s"), &Value::from("90s"))
    );
    assert!(found["why"].as_str().is_some_and(|why| !why.is_empty()), "{found}");
    let (_, text) = told(
        &files
            .command(&["check"])
            .env("IGNY8_PROXY__SERVER__BODY_TIMEOUT", "90s")
            .output()
            .unwrap(),
    );
    for wider in wider {
        assert!(
            text.contains(wider["why"].as_str().unwrap()),
            "{wider} is not in:\n{text}"
        );
    }

    for (file, text) in [
        ("check.toml", "[server]\nthread = 1\n"),
        ("limits.toml", "[default]\nrate = \"x\"\nburst = 1\n"),
    ] {
        let files = Files::new();
        files.write(file, text);
        let output = files.command(&["check", "--json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let findings = json(&output);
        assert_eq!(findings["valid"], false);
        assert!(
            findings["error"].as_str().unwrap().contains(&format!("{file}:2:")),
            "{findings}"
        );
    }
}

#[test]
fn a_variable_that_is_no_text_matters_only_where_it_is_ours() {
    let files = Files::new();
    let odd = OsStr::from_bytes(b"\xff");
    let output = files.command(&["check"]).env("FOO", odd).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output).1);
    for name in ["IGNY8_PROXY__LISTEN__PUBLIC", "TENANCY_STRICT_JWT_ONLY"] {
        let output = files.command(&["check"]).env(name, odd).output().unwrap();
        let (status, printed) = told(&output);
        assert_eq!(status, Some(1), "{printed}");
        assert!(
            printed.contains(&format!("environment variable {name}: is not UTF-8")),
            "{printed}"
        );
    }
}
