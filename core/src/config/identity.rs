//! The part of the configuration that is about who somebody is: sign-ins, attempts, mail.

use super::{ConfigError, file, within};
use crate::app::budgets::BudgetTerms;
use crate::domain::budget::Budget;
use crate::domain::link::LinkTerms;
use crate::domain::sign_in::SignInTerms;
use lettre::message::Mailbox;
use secrecy::SecretString;
use std::path::PathBuf;

const DAY: i64 = 86_400;
const MOST_ATTEMPTS: i64 = 1_000_000;

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Nothing where mail is laid down in `folder`.
    pub smtp_url: Option<SecretString>,
    /// A file whose first line is the URL; it wins.
    pub smtp_url_file: Option<PathBuf>,
    pub from: Mailbox,
    /// Where people reach the front end, without a slash at its end: what links begin with.
    pub public_url: String,
    pub folder: PathBuf,
}

/// What is kept about who somebody is, and how.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    pub key_file: PathBuf,
    pub sign_ins: SignInTerms,
    /// Of the panel's sessions.
    pub panel: SignInTerms,
    pub budgets: BudgetTerms,
    pub links: LinkTerms,
    pub mail: MailConfig,
    pub totp_issuer: String,
}

pub(super) fn identity(
    secrets: file::Secrets,
    sign_in: file::SignIn,
    mail: file::Mail,
) -> Result<IdentityConfig, ConfigError> {
    let terms = SignInTerms {
        idle_seconds: within(
            "sign_in.refresh_idle_seconds",
            sign_in.refresh_idle_seconds,
            1..=365 * DAY,
        )?,
        absolute_seconds: within(
            "sign_in.refresh_absolute_seconds",
            sign_in.refresh_absolute_seconds,
            1..=3650 * DAY,
        )?,
        grace_seconds: within("sign_in.refresh_grace_seconds", sign_in.refresh_grace_seconds, 0..=60)?,
    };
    let panel = SignInTerms {
        idle_seconds: within("sign_in.panel_idle_seconds", sign_in.panel_idle_seconds, 1..=DAY)?,
        absolute_seconds: within(
            "sign_in.panel_absolute_seconds",
            sign_in.panel_absolute_seconds,
            1..=30 * DAY,
        )?,
        grace_seconds: 0,
    };
    let attempts = |key: &str, attempts, seconds_key: &str, seconds| {
        Ok(Budget {
            attempts: within(key, attempts, 1..=MOST_ATTEMPTS)?,
            seconds: within(seconds_key, seconds, 1..=DAY)?,
        })
    };
    let tried = |key, count| attempts(key, count, "sign_in.attempts_seconds", sign_in.attempts_seconds);
    let mailed = |key, count| attempts(key, count, "mail.mails_seconds", mail.mails_seconds);
    if sign_in.totp_issuer.trim().is_empty() || sign_in.totp_issuer.contains(':') {
        return Err(ConfigError("sign_in.totp_issuer: write a name without a colon".into()));
    }
    Ok(IdentityConfig {
        key_file: secrets.key_file,
        sign_ins: terms,
        panel,
        budgets: BudgetTerms {
            per_name: tried("sign_in.attempts_per_name", sign_in.attempts_per_name)?,
            per_address: tried("sign_in.attempts_per_address", sign_in.attempts_per_address)?,
            mails_per_name: mailed("mail.mails_per_name", mail.mails_per_name)?,
            mails_per_address: mailed("mail.mails_per_address", mail.mails_per_address)?,
        },
        links: LinkTerms {
            verify_seconds: within("mail.verify_link_seconds", mail.verify_link_seconds, 1..=30 * DAY)?,
            reset_seconds: within("mail.reset_link_seconds", mail.reset_link_seconds, 1..=7 * DAY)?,
        },
        mail: how_mail_is_sent(mail)?,
        totp_issuer: sign_in.totp_issuer,
    })
}

fn how_mail_is_sent(mail: file::Mail) -> Result<MailConfig, ConfigError> {
    let public_url = mail.public_url.trim_end_matches('/').to_owned();
    let url: Option<http::Uri> = public_url.parse().ok();
    let is_origin = |url: &http::Uri| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some() && url.query().is_none()
    };
    if !url.as_ref().is_some_and(is_origin) || public_url.contains('#') {
        return Err(ConfigError(
            "mail.public_url: write http:// or https:// and a host".into(),
        ));
    }
    let from = mail.from.parse();
    Ok(MailConfig {
        smtp_url: Some(mail.smtp_url)
            .filter(|url| !url.is_empty())
            .map(SecretString::from),
        smtp_url_file: Some(mail.smtp_url_file).filter(|path| !path.as_os_str().is_empty()),
        from: from.map_err(|_| ConfigError("mail.from: write an address, like igny8 <no-reply@example.com>".into()))?,
        public_url,
        folder: mail.folder,
    })
}
