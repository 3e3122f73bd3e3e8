//! Mail: written from templates, sent by SMTP, or laid down as files where there is no SMTP server.
//!
//! Neither a mail's text nor its recipient is ever logged; of what a server answers only its code is.

use super::secret_file::{read_lines, write_new};
use crate::config::MailConfig;
use crate::domain::link::Purpose;
use igny8_contract::random::Random;
use igny8_contract::time::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a server may take for each step of a conversation, and for all of it.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
pub const WHOLE_TIMEOUT: Duration = Duration::from_secs(30);

const fn template(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::VerifyEmail => include_str!("mail/verify_email.txt"),
        Purpose::ResetPassword => include_str!("mail/reset_password.txt"),
        Purpose::Invitation => include_str!("mail/invitation.txt"),
    }
}

const fn subject(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::VerifyEmail => "Please confirm your e-mail address",
        Purpose::ResetPassword => "Choose a new password",
        Purpose::Invitation => "You are invited to join an account",
    }
}

/// The page that a link opens.
const fn page(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::VerifyEmail => "/verify-email",
        Purpose::ResetPassword => "/reset-password",
        Purpose::Invitation => "/join",
    }
}

/// One mail.
#[derive(Debug)]
pub struct Mail {
    /// Tells it apart from every other mail of ours, and the same in each try.
    pub id: String,
    pub purpose: Purpose,
    pub recipient: String,
    /// The secret of its link.
    pub token: SecretString,
    /// Until when the link works.
    pub until: Timestamp,
}

/// Why a mail was not sent. It says nothing of the mail.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailFault {
    /// It may be sent later.
    #[error("{0}")]
    NotNow(String),
    /// The server will never take it.
    #[error("{0}")]
    Never(String),
}

enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

/// Sends mail.
#[derive(Clone)]
pub struct Mailer {
    way: Arc<Way>,
    from: Mailbox,
    public_url: String,
    random: Arc<dyn Random>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer as it is configured. Nothing is connected to yet.
    ///
    /// # Errors
    /// A file of the URL that cannot be read, a URL that is none of SMTP, one that would send secrets in the clear.
    pub fn open(config: &MailConfig, random: Arc<dyn Random>) -> io::Result<Self> {
        let url = match &config.smtp_url_file {
            Some(path) => read_lines(path)?.into_iter().next(),
            None => config.smtp_url.clone(),
        };
        let way = match url {
            Some(url) => Way::Smtp(transport(&url)?),
            None => Way::Folder(config.folder.clone()),
        };
        Ok(Self {
            way: Arc::new(way),
            from: config.from.clone(),
            public_url: config.public_url.clone(),
            random,
        })
    }

    /// Sends a mail, or lays it down.
    ///
    /// # Errors
    /// [`MailFault`].
    pub async fn send(&self, mail: &Mail) -> Result<(), MailFault> {
        let message = self.message(mail)?;
        match self.way.as_ref() {
            Way::Smtp(transport) => tokio::time::timeout(WHOLE_TIMEOUT, transport.send(message))
                .await
                .map_err(|_| MailFault::NotNow("the server took too long".into()))?
                .map(drop)
                .map_err(|error| fault(&error)),
            Way::Folder(folder) => {
                let path = folder.join(format!("{}.eml", mail.id));
                match write_new(&path, &message.formatted(), self.random.as_ref()) {
                    // An earlier try got as far as this.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    written => written.map_err(|error| MailFault::NotNow(error.to_string())),
                }
            }
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailFault> {
        let never = |what: &dyn std::fmt::Display| MailFault::Never(what.to_string());
        let recipient = mail.recipient.parse().map_err(|_| never(&"the recipient's address"))?;
        let text = self.text(mail).map_err(|error| never(&error.kind()))?;
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(subject(mail.purpose))
            .message_id(Some(format!("<{}@{domain}>", mail.id)))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(body(text))
            .map_err(|error| never(&error))
    }

    fn text(&self, mail: &Mail) -> Result<String, minijinja::Error> {
        // The secret stands behind a `#`: browsers send it to no server, so that it ends up in no log.
        let link = format!(
            "{}{}#token={}",
            self.public_url,
            page(mail.purpose),
            mail.token.expose_secret()
        );
        // To the minute: that is what people read.
        let until = jiff::Timestamp::from_microsecond(mail.until.0).unwrap_or(jiff::Timestamp::MAX);
        let until = until.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let context = minijinja::context! { link, until };
        minijinja::Environment::new().render_str(template(mail.purpose), context)
    }
}

/// The text as it stands, where a mail may hold it so (RFC 5322, section 2.1.1): a link that an encoding has cut is one that
/// people cannot copy from a file.
fn body(text: String) -> Body {
    const LONGEST_LINE: usize = 998;
    if text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE) {
        let lines = text.replace('\n', "\r\n").into_bytes();
        return Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit);
    }
    Body::new(text)
}

/// Only to this machine does anything go in the clear.
fn transport(url: &SecretString) -> io::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    // What is wrong with a URL would be told together with the password in it.
    let not_smtp = || wrong("write smtps://USER:PASSWORD@HOST, or smtp://HOST:PORT?tls=required");
    let parsed: http::Uri = url.expose_secret().parse().map_err(|_| not_smtp())?;
    let host = parsed.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let encrypted = match parsed.scheme_str() {
        Some("smtps") => true,
        Some("smtp") => parsed.query() == Some("tls=required"),
        _ => return Err(not_smtp()),
    };
    if !encrypted && !here {
        return Err(wrong(
            "mail goes to another machine in the clear: add ?tls=required, or write smtps://",
        ));
    }
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret()).map_err(|_| not_smtp())?;
    Ok(builder.timeout(Some(STEP_TIMEOUT)).build())
}

fn fault(error: &lettre::transport::smtp::Error) -> MailFault {
    let code = error
        .status()
        .map_or_else(|| "none".to_owned(), |status| status.to_string());
    // 530 to 538 are about signing in at the server: ours to put right, not the recipient's.
    if error.is_permanent() && !code.starts_with("53") {
        return MailFault::Never(format!("the server refuses it for good with {code}"));
    }
    let what = if error.is_timeout() {
        "the server took too long"
    } else if error.is_tls() || is_untrusted(error) {
        "the server's TLS could not be trusted"
    } else if error.is_response() {
        "the server's answer cannot be understood"
    } else {
        "the server could not be reached, or does not take it now"
    };
    MailFault::NotNow(format!("{what} (code {code})"))
}

/// Whether the TLS that a connection began with has failed: to lettre that is any fault of a connection, while rustls calls it
/// invalid data.
fn is_untrusted(error: &lettre::transport::smtp::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let fault = error.downcast_ref::<io::Error>();
        if fault.is_some_and(|fault| fault.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;

    fn mailer(folder: PathBuf) -> Mailer {
        let config = MailConfig {
            smtp_url: None,
            smtp_url_file: None,
            from: "igny8 <no-reply@example.com>".parse().unwrap(),
            public_url: "https://a-rather-long-host-name.of-a-customer.example.com".into(),
            folder,
        };
        Mailer::open(&config, Arc::new(OsRandom)).unwrap()
    }

    fn mail(purpose: Purpose) -> Mail {
        Mail {
            id: format!("1-{}", purpose.as_str()),
            purpose,
            recipient: "ada@example.com".into(),
            token: "t0ken_-abcdefghijklmnopqrstuvwxyz0123456789".into(),
            until: Timestamp(1_767_268_800_000_000),
        }
    }

    #[tokio::test]
    async fn a_mail_becomes_a_file_that_its_owner_alone_reads_and_its_link_stands_in_one_line() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mailer = mailer(folder.path().join("mail"));
        for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword, Purpose::Invitation] {
            let mail = mail(purpose);
            for _ in 0..2 {
                assert_eq!(mailer.send(&mail).await, Ok(()), "a second try is the same mail");
            }
            let path = folder.path().join(format!("mail/{}.eml", mail.id));
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let text = std::fs::read_to_string(path).unwrap();
            let link = format!(
                "\r\nhttps://a-rather-long-host-name.of-a-customer.example.com{}#token={}\r\n",
                page(purpose),
                mail.token.expose_secret()
            );
            assert!(text.contains(&link), "{text}");
            for field in [
                "To: ada@example.com\r\n",
                "Auto-Submitted: auto-generated\r\n",
                "2026-01-01 12:00 UTC",
            ] {
                assert!(text.contains(field), "{field} in {text}");
            }
        }
        assert_eq!(std::fs::read_dir(folder.path().join("mail")).unwrap().count(), 3);
    }

    #[test]
    fn mail_goes_in_the_clear_to_this_machine_alone() {
        for url in [
            "smtp://localhost:25",
            "smtp://127.0.0.1:2525",
            "smtp://[::1]:25",
            "smtps://user:secret@mail.example.com",
            "smtp://user:secret@mail.example.com:587?tls=required",
        ] {
            assert!(transport(&url.into()).is_ok(), "{url}");
        }
        for url in [
            "",
            "nonsense",
            "http://localhost",
            "smtp://mail.example.com",
            "smtp://user:secret@mail.example.com?tls=opportunistic",
            "smtp://localhost.example.com",
        ] {
            let error = transport(&url.into()).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
