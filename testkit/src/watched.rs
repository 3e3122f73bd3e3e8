//! The proxy with TLS and HTTP/2 before the witness, for tests that look at what arrives.

use crate::config::set;
use crate::edge::{Certificate, add_route, http2};
use crate::folder::TestFolder;
use crate::hostile::witness::{Record, Server, Witness};
use crate::ports::PortBlock;
use crate::stack::{App, Member, Stack};
use serde_json::{Value, json};

/// A whole igny8 whose app is the witness, with a public route at `/public` that takes 1,000 bytes, and little patience
/// with slow clients.
#[derive(Debug)]
pub struct Watched {
    pub stack: Stack,
    pub member: Member,
    pub certificate: Certificate,
    pub witness: Witness,
    _ports: PortBlock,
    _folder: TestFolder,
}

impl Watched {
    /// Starts it, with a certificate for `name`. A header block has `header_timeout` to come, everything else 2 seconds.
    ///
    /// # Panics
    /// When something of it does not start.
    #[must_use]
    pub fn start(name: &str, header_timeout: &'static str) -> Self {
        let (folder, ports) = (TestFolder::new(), PortBlock::claim());
        let certificate = Certificate::make(folder.path(), name);
        let app = ports.address(0);
        let builder = Stack::builder().app(App::At(app.clone())).proxy(move |proxy| {
            let public = "prefix = \"/public\"\nkind = \"public\"\nupstream = \"app\"\nmax_body_bytes = 1000";
            add_route(proxy, public);
            for key in ["body_timeout", "send_timeout", "keepalive_timeout"] {
                set(proxy, &format!("server.{key}"), "2s");
            }
            set(proxy, "server.header_timeout", header_timeout);
        });
        let stack = certificate.serve(builder).start();
        let secret = stack.var.join("secrets/edge_app");
        let witness = Witness::start(Server::Gunicorn, &app, &stack.var, Some(&secret));
        Self {
            member: stack.sign_up(),
            stack,
            certificate,
            witness,
            _ports: ports,
            _folder: folder,
        }
    }

    /// The fields of a request, with its mark.
    #[must_use]
    pub fn fields(&self, method: &str, path: &str, mark: &str, more: &[(&str, &str)]) -> Value {
        let own = [
            (":method", method),
            (":scheme", "https"),
            (":authority", self.stack.public.as_str()),
            (":path", path),
            ("x-marker", mark),
        ];
        own.iter()
            .chain(more)
            .map(|(name, value)| json!([name, value]))
            .collect()
    }

    /// Sends requests over one connection, and gives the answer to each.
    ///
    /// # Panics
    /// When the client fails.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, requests: &Value) -> Vec<Value> {
        match http2(&self.stack.public, "requests", "", requests) {
            Value::Array(answers) => answers,
            other => panic!("http2.py: {other}"),
        }
    }

    /// Asks as a good client does; whether that was answered.
    #[must_use]
    pub fn serves(&self) -> bool {
        let alive = self.fields("GET", "/alive", "alive", &[]);
        let answers = self.ask(&json!([{"headers": alive, "end": true}]));
        answers.first().is_some_and(|answer| answer["status"] == 200)
    }

    /// What arrived with a mark.
    ///
    /// # Panics
    /// When the witness's records cannot be read.
    #[must_use]
    pub fn arrived(&self, mark: &str) -> Vec<Record> {
        let records = self.witness.records();
        records.into_iter().filter(|record| record.marker == mark).collect()
    }
}
