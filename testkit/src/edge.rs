//! What tests of the proxy's edge need: certificates, and the programs of `testkit/edge` in an environment of their own.

use crate::process::{repository, run};
use crate::stack::Builder;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use toml::Table;

/// The Python interpreter with HTTP/2 and WebSockets.
///
/// # Panics
/// When its environment cannot be made.
#[must_use]
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let mut command = Command::new(repository().join("script/python-env"));
        let printed = run(command.arg(repository().join("testkit/edge/requirements.txt")));
        let folder = printed.lines().last().unwrap_or_default().to_owned();
        Path::new(&folder).join("bin/python")
    })
}

/// A program of `testkit/edge`.
#[must_use]
pub fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python());
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(repository().join("testkit/edge").join(name))
        .args(arguments);
    command
}

/// Runs `http2.py` against an address, with this on its standard input.
///
/// # Panics
/// When it fails, or prints no JSON.
#[must_use]
#[track_caller]
pub fn http2(address: &str, scenario: &str, argument: &str, input: &Value) -> Value {
    let mut child = program("http2.py", &[address, scenario, argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("http2.py: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("http2.py: {error}"));
    }
    let output = child
        .wait_with_output()
        .unwrap_or_else(|error| panic!("http2.py: {error}"));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("http2.py ({error}): {}", String::from_utf8_lossy(&output.stderr)))
}

/// A certificate for `localhost` and its key, made by openssl.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Makes a new one in this folder.
    ///
    /// # Panics
    /// When openssl fails.
    #[must_use]
    pub fn make(folder: &Path, name: &str) -> Self {
        let made = Self {
            cert: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        let curve = "ec_paramgen_curve:P-256";
        run(Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                &format!("/CN={name}"),
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                // A server's own, and nobody else's authority: rustls takes no other.
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.cert));
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&made.key, mode).unwrap_or_else(|error| panic!("{error}"));
        made
    }

    /// Makes a proxy speak TLS with it.
    #[must_use]
    pub fn serve(&self, builder: Builder) -> Builder {
        let (cert, key) = (self.cert.clone(), self.key.clone());
        builder.proxy(move |proxy| {
            for (name, path) in [("cert", &cert), ("key", &key)] {
                crate::config::set(
                    proxy,
                    &format!("listen.tls.{name}"),
                    path.to_string_lossy().into_owned(),
                );
            }
        })
    }
}

/// Adds a route, given as the keys of its table, to a proxy's configuration.
///
/// # Panics
/// When the keys are no TOML.
pub fn add_route(proxy: &mut Table, keys: &str) {
    let route: Table = keys.parse().unwrap_or_else(|error| panic!("{keys}: {error}"));
    if let Some(routes) = proxy.get_mut("route").and_then(toml::Value::as_array_mut) {
        routes.push(toml::Value::Table(route));
    }
}
