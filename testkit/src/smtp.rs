//! A real SMTP server (aiosmtpd) that takes mail, for tests of what is sent.

use crate::django::environment;
use crate::edge::Certificate;
use crate::folder::TestFolder;
use crate::ports::PortBlock;
use crate::process::{Child, repository};
use crate::wait::wait_until;
use serde_json::Value;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long the server may take to begin, and a mail to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct Smtp {
    folder: TestFolder,
    ports: PortBlock,
    child: Option<Child>,
}

/// How a connection comes to be under TLS.
#[derive(Clone, Copy, Debug)]
pub enum Tls {
    FromTheStart,
    StartTls,
}

impl Tls {
    const fn word(self) -> &'static str {
        match self {
            Self::FromTheStart => "tls",
            Self::StartTls => "starttls",
        }
    }
}

/// A mail that the server has taken.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub message_id: String,
    pub text: String,
}

impl Mail {
    /// The token of the link in its text.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn token(&self) -> String {
        token(&self.text)
    }
}

/// The token of the link in a mail's text.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn token(text: &str) -> String {
    let (_, rest) = text.split_once("#token=").unwrap_or_else(|| panic!("no link: {text}"));
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}

impl Smtp {
    /// Who may send under TLS, and the password.
    pub const USER: (&str, &str) = ("igny8", "quillwort-93");

    /// A place for a server, with nothing there yet.
    #[must_use]
    pub fn place() -> Self {
        Self {
            folder: TestFolder::new(),
            ports: PortBlock::claim(),
            child: None,
        }
    }

    /// A server that takes everything.
    ///
    /// # Panics
    /// As for [`Smtp::begin`].
    #[must_use]
    pub fn start() -> Self {
        let mut smtp = Self::place();
        smtp.begin(0);
        smtp
    }

    /// Starts the server, which refuses its first mails for now.
    ///
    /// # Panics
    /// When it does not start.
    pub fn begin(&mut self, refusals: u32) {
        self.run(&[&refusals.to_string()]);
    }

    /// Starts the server under TLS, for whoever signs in as [`Smtp::USER`].
    ///
    /// # Panics
    /// When it does not start.
    pub fn begin_guarded(&mut self, mode: Tls, certificate: &Certificate) {
        let (cert, key) = (certificate.cert.to_string_lossy(), certificate.key.to_string_lossy());
        let (user, password) = Self::USER;
        self.run(&["0", mode.word(), &cert, &key, user, password]);
    }

    fn run(&mut self, arguments: &[&str]) {
        let python = environment(&["testkit/smtp/requirements.txt"]).join("bin/python");
        let mut command = Command::new(python);
        command
            .arg(repository().join("testkit/smtp/server.py"))
            .args(["127.0.0.1", &self.ports.port(0).to_string()])
            .arg(self.file())
            .args(arguments);
        let mut child = Child::start("the SMTP server", &command, &self.folder.path().join("smtp.log"));
        let address = self.ports.address(0);
        child.wait_until("the SMTP server to answer", PATIENCE, || {
            TcpStream::connect(&address).ok()
        });
        self.child = Some(child);
    }

    /// What mail is sent to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.ports.address(0))
    }

    /// What mail is sent to under TLS, with the user and this password.
    #[must_use]
    pub fn guarded_url(&self, mode: Tls, password: &str) -> String {
        let (user, port) = (Self::USER.0, self.ports.port(0));
        match mode {
            Tls::FromTheStart => format!("smtps://{user}:{password}@localhost:{port}"),
            Tls::StartTls => format!("smtp://{user}:{password}@localhost:{port}?tls=required"),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("mails.jsonl")
    }

    /// The mails taken so far.
    ///
    /// # Panics
    /// When the server has written something else.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        // A line that is being written is not there yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter(|line| !line.is_empty()).map(mail).collect()
    }

    /// Waits for so many mails to an address, and gives back the last one.
    ///
    /// # Panics
    /// When they do not come.
    #[must_use]
    #[track_caller]
    pub fn wait_for(&self, to: &str, count: usize) -> Mail {
        wait_until(&format!("{count} mails to {to}"), PATIENCE, || {
            let mut mails: Vec<Mail> = self.mails().into_iter().filter(|mail| mail.to == to).collect();
            (mails.len() >= count).then(|| mails.pop()).flatten()
        })
    }
}

fn mail(line: &str) -> Mail {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Mail {
        to: text(&value["to"][0]),
        subject: text(&value["subject"]),
        message_id: text(&value["message_id"]),
        text: text(&value["text"]),
    }
}
