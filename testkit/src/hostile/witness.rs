//! The app that only looks (`testkit/witness/witness.py`), under a real server.

pub use crate::django::Server;

use crate::django::python;
use crate::process::{Child, repository};
use crate::wait::wait_until;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running witness.
#[derive(Debug)]
pub struct Witness {
    records: PathBuf,
    process: Child,
}

/// One request, as the server and Django read it.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// The case's mark, from `X-Marker`.
    pub marker: String,
    pub method: String,
    /// The path in the request line, and the query after it.
    pub wire_path: String,
    pub wire_query: String,
    /// The path that Django routes by.
    pub django_path: String,
    pub query: String,
    /// `http` or `https`, as Django believes.
    pub scheme: String,
    /// By lower-case name; repeated fields are joined as the server joins them.
    pub headers: BTreeMap<String, String>,
    /// As Django's parser reads them.
    pub cookies: BTreeMap<String, String>,
    /// Nothing where the body broke off.
    pub body_length: Option<u64>,
    /// Whether the edge signature covers exactly this request.
    pub signed: bool,
    /// The rule in the edge signature.
    pub rule: Option<String>,
    /// Whether the proxy asked about a session with it.
    pub introspection: bool,
}

impl Witness {
    /// Starts a witness at `address` that writes into `folder`; `edge_secret` is the file with the proxy's key.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(server: Server, address: &str, folder: &Path, edge_secret: Option<&Path>) -> Self {
        let records = folder.join(format!("{server:?}.records"));
        let mut command = Command::new(python());
        match server {
            Server::Gunicorn => command
                .args([
                    "-m",
                    "gunicorn",
                    "witness:application",
                    "--worker-class",
                    "gthread",
                    "--threads",
                    "4",
                ])
                .args(["--bind", address, "--no-control-socket"]),
            Server::Waitress => command.args([
                "-m",
                "waitress",
                "--threads",
                "4",
                "--listen",
                address,
                "witness:application",
            ]),
        };
        command
            .current_dir(repository().join("testkit/witness"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("WITNESS_RECORDS", &records);
        if let Some(secret) = edge_secret {
            command.env("WITNESS_EDGE_SECRET_FILE", secret);
        }
        let log = folder.join(format!("{server:?}.log"));
        let mut process = Child::start("the witness", &command, &log);
        process.wait_until("the witness to listen", Duration::from_secs(30), || {
            TcpStream::connect(address).ok()
        });
        Self { records, process }
    }

    /// Everything that has arrived so far, in order.
    ///
    /// # Panics
    /// When the file cannot be read or a record is not whole.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let text = std::fs::read_to_string(&self.records).unwrap_or_default();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no record ({error}): {line}"));
        text.lines().map(parse).collect()
    }

    /// Waits until a request with this mark has arrived.
    ///
    /// # Panics
    /// When none comes.
    pub fn wait_for(&self, marker: &str) {
        wait_until(&format!("a request marked {marker}"), Duration::from_secs(10), || {
            self.records()
                .iter()
                .any(|record| record.marker == marker)
                .then_some(())
        });
    }

    /// The end of the server's own log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}
