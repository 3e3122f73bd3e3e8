//! The app that only looks (`testkit/witness`), under a real server.
//!
//! `witness.py` stands under the servers of Python, `witness.js` under Node's own. Where nginx is the upstream it hands on to
//! `witness.js`, together with the path that it would route by, and keeps a log of its own ([`Witness::lines`]).

use crate::django::{python, python_with};
use crate::process::{Child, repository};
use crate::wait::wait_until;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
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
    /// Node's `http` module.
    Node,
    /// nginx before Node.
    Nginx,
}

/// A line of the log of nginx: something that it took for a request, whatever became of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// The case's mark, from `X-Marker`.
    pub marker: String,
    /// The request line.
    pub line: String,
    /// The path that nginx routes by.
    pub uri: String,
    pub status: u16,
}

impl Server {
    /// Every server there is.
    pub const ALL: [Self; 7] = [
        Self::Gunicorn,
        Self::Waitress,
        Self::UvicornH11,
        Self::UvicornHttptools,
        Self::Hypercorn,
        Self::Node,
        Self::Nginx,
    ];

    /// The command that starts the witness, in its folder: at `address`, or where nginx looks for it in `folder`.
    fn command(self, address: &str, folder: &Path) -> Command {
        match self {
            Self::Node => node(address.rsplit(':').next().unwrap_or_default()),
            Self::Nginx => {
                let mut command = node(&folder.join("node.socket").to_string_lossy());
                command.env("WITNESS_FRONT", "nginx");
                command
            }
            Self::Gunicorn | Self::Waitress | Self::UvicornH11 | Self::UvicornHttptools | Self::Hypercorn => {
                self.python_command(address)
            }
        }
    }

    fn python_command(self, address: &str) -> Command {
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
            Self::Hypercorn | Self::Node | Self::Nginx => ("hypercorn", "witness:asgi", &["--bind"]),
        };
        let mut command = match self {
            Self::Gunicorn | Self::Waitress => Command::new(python()),
            Self::UvicornH11 | Self::UvicornHttptools | Self::Hypercorn | Self::Node | Self::Nginx => {
                Command::new(python_with(&repository().join("testkit/witness/requirements.txt")))
            }
        };
        // Uvicorn listens on 127.0.0.1 by itself and wants the port alone.
        let place = match self {
            Self::UvicornH11 | Self::UvicornHttptools => address.rsplit(':').next().unwrap_or_default(),
            Self::Gunicorn | Self::Waitress | Self::Hypercorn | Self::Node | Self::Nginx => address,
        };
        command.args(["-m", module]).args(options).args([place, app]);
        command
    }
}

/// The witness for Node, listening here.
fn node(listen: &str) -> Command {
    let mut command = Command::new("node");
    // As much as the proxy lets through, and more.
    command.args(["--max-http-header-size=65536", "witness.js"]);
    command.env("WITNESS_LISTEN", listen);
    command
}

/// nginx at `address`, before what listens in `folder`.
fn nginx(address: &str, folder: &Path) -> Command {
    let template = repository().join("testkit/witness/nginx.conf");
    let text = std::fs::read_to_string(&template).unwrap_or_else(|error| panic!("{}: {error}", template.display()));
    let text = text
        .replace("{FOLDER}", &folder.to_string_lossy())
        .replace("{ADDRESS}", address);
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut command = Command::new("nginx");
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg("-c").arg(file).env("PATH", format!("{path}:/usr/sbin"));
    command
}

/// A running witness.
#[derive(Debug)]
pub struct Witness {
    records: PathBuf,
    /// Where nginx writes down what it took for requests.
    seen: PathBuf,
    process: Child,
    _nginx: Option<Child>,
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
        let mut command = server.command(address, folder);
        command
            .current_dir(repository().join("testkit/witness"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("WITNESS_RECORDS", &records);
        if let Some(secret) = edge_secret {
            command.env("WITNESS_EDGE_SECRET_FILE", secret);
        }
        let log = folder.join(format!("{server:?}.log"));
        let patience = Duration::from_secs(60);
        let mut process = Child::start("the witness", &command, &log);
        let mut nginx = (server == Server::Nginx).then(|| {
            let socket = folder.join("node.socket");
            process.wait_until("the witness to listen", patience, || UnixStream::connect(&socket).ok());
            Child::start("nginx", &nginx(address, folder), &folder.join("nginx.log"))
        });
        let listening = nginx.as_mut().unwrap_or(&mut process);
        listening.wait_until("the witness to listen", patience, || TcpStream::connect(address).ok());
        Self {
            records,
            seen: folder.join("nginx.seen"),
            process,
            _nginx: nginx,
        }
    }

    /// What nginx took for requests, in the order in which they were over; nothing where there is no nginx.
    ///
    /// # Panics
    /// When a line is not whole.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let bytes = std::fs::read(&self.seen).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no line ({error}): {line}"));
        text.lines().map(parse).collect()
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
