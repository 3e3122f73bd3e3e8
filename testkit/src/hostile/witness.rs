//! The app that only looks (`testkit/witness/witness.py`), under a real server.

use crate::django::{python, python_with};
use crate::process::{Child, repository};
use crate::wait::wait_until;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What serves the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Gunicorn,
    Waitress,
    /// Uvicorn with the parser h11.
    UvicornH11,
    /// Uvicorn with the parser httptools.
    UvicornHttptools,
    Hypercorn,
}

impl Server {
    /// The command that starts it at `address`, in the witness's folder.
    fn command(self, address: &str) -> Command {
        let (module, app, options): (_, _, &[&str]) = match self {
            Self::Gunicorn => (
                "gunicorn",
                "witness:application",
                &[
                    "--worker-class",
                    "gthread",
                    "--threads",
                    "4",
                    "--no-control-socket",
                    "--bind",
                ],
            ),
            Self::Waitress => ("waitress", "witness:application", &["--threads", "4", "--listen"]),
            Self::UvicornH11 => (
                "uvicorn",
                "witness:asgi",
                &["--http", "h11", "--lifespan", "off", "--port"],
            ),
            Self::UvicornHttptools => (
                "uvicorn",
                "witness:asgi",
                &["--http", "httptools", "--lifespan", "off", "--port"],
            ),
            Self::Hypercorn => ("hypercorn", "witness:asgi", &["--bind"]),
        };
        let mut command = match self {
            Self::Gunicorn | Self::Waitress => Command::new(python()),
            Self::UvicornH11 | Self::UvicornHttptools | Self::Hypercorn => {
                Command::new(python_with(&repository().join("testkit/witness/requirements.txt")))
            }
        };
        // Uvicorn listens on 127.0.0.1 by itself and wants the port alone.
        let place = match self {
            Self::UvicornH11 | Self::UvicornHttptools => address.rsplit(':').next().unwrap_or_default(),
            Self::Gunicorn | Self::Waitress | Self::Hypercorn => address,
        };
        command.args(["-m", module]).args(options).args([place, app]);
        command
    }
}

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
        let mut command = server.command(address);
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
