//! Configuration: what is written in TOML and the environment becomes, checked, what the program uses.
//!
//! Two stages. [`file`] holds what a person may write and refuses keys it does not know, with their line. Only [`Config`]
//! leaves this module.

mod file;
mod identity;

use crate::app::BillingTerms;
use crate::app::round::Kept;
use crate::domain::token::TokenTerms;
use crate::storage::Database;
pub use identity::{IdentityConfig, MailConfig};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file that is read unless `--config` names another.
pub const DEFAULT_FILE: &str = "config/core.toml";
/// The beginning of every environment variable of the core.
pub const PREFIX: &str = "IGNY8_CORE__";
/// The emergency flag that wins over `signup.enable_free_trial`.
pub const FREE_TRIAL_FLAG: &str = "TENANCY_ENABLE_FREE_TRIAL";
/// The emergency flag that wins over `flags.validate_api_key`.
pub const API_KEY_FLAG: &str = "TENANCY_VALIDATE_API_KEY";
/// The emergency flag that wins over `flags.strict_jwt_only`.
pub const JWT_FLAG: &str = "TENANCY_STRICT_JWT_ONLY";

/// What is wrong with the configuration, in a sentence that names the place.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// The cost of one password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    /// How many are worked on at once; at least 1.
    pub max_concurrent: usize,
}

/// The emergency flags. Each is on unless somebody switches it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Sign-up gives the free trial, and not `free`.
    pub enable_free_trial: bool,
    /// API keys are asked for their account's standing, like access tokens.
    pub validate_api_key: bool,
    /// Access tokens alone open API routes.
    pub strict_jwt_only: bool,
}

/// What Stripe's webhooks are taken with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeConfig {
    /// The signing secrets, one a line: several while one is being replaced.
    pub webhook_secret_file: PathBuf,
    /// How old or how far ahead a webhook's time may be.
    pub tolerance_seconds: i64,
    /// Where people pay; empty where they are told another way.
    pub payment_url: String,
}

/// Where the front end's files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendConfig {
    pub listen: SocketAddr,
    /// The folder that the front end's build has made.
    pub dir: PathBuf,
}

/// The configuration in use.
#[derive(Clone, Debug)]
pub struct Config {
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub database: Database,
    pub migrate_on_start: bool,
    pub tokens: TokenTerms,
    pub keys_dir: PathBuf,
    pub internal_token_file: PathBuf,
    pub passwords: PasswordCost,
    pub identity: IdentityConfig,
    pub flags: Flags,
    pub plans_file: PathBuf,
    pub billing: BillingTerms,
    /// How long a hold lives where its maker does not say.
    pub hold_ttl_seconds: i64,
    /// How long what is kept for a while alone is kept.
    pub kept: Kept,
    /// Where transfers go to, for people; empty where they are told another way.
    pub bank_details: String,
    /// How often the worker looks for what is due; nothing where this process does not work.
    pub worker_interval: Option<Duration>,
    /// Nothing where Stripe is not used.
    pub stripe: Option<StripeConfig>,
    /// Whether staff may advance the service's time.
    pub test_clock: bool,
    /// Nothing where the front end is served by something else, or not at all.
    pub frontend: Option<FrontendConfig>,
    /// The ops listeners of proxies, each a host and a port.
    pub proxies: Vec<String>,
    pub grace: Duration,
}

impl Config {
    /// Reads `path`, else [`DEFAULT_FILE`] where there is one, else the defaults; then the environment.
    ///
    /// # Errors
    /// A sentence that names file and line, or the variable, or the key.
    pub fn load(path: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        let text = match path.or_else(|| default.exists().then_some(default)) {
            None => String::new(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))?
            }
        };
        let name = path.unwrap_or(default).display().to_string();
        Self::read(&name, &text, environment)
    }

    /// Reads the text of a file called `name`, then the environment.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn read(
        name: &str,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<_> = environment.collect();
        let mut written = file::read(name, text, &environment).map_err(ConfigError)?;
        for (name, flag) in [
            (FREE_TRIAL_FLAG, &mut written.signup.enable_free_trial),
            (API_KEY_FLAG, &mut written.flags.validate_api_key),
            (JWT_FLAG, &mut written.flags.strict_jwt_only),
        ] {
            if let Some((_, value)) = environment.iter().find(|(key, _)| key == name) {
                *flag = file::flag(value)
                    .ok_or_else(|| ConfigError(format!("{name}: write true or false, not {value:?}")))?;
            }
        }
        validated(written)
    }
}

fn validated(written: file::ConfigFile) -> Result<Config, ConfigError> {
    let address = |key: &str, text: &str| {
        text.parse::<SocketAddr>()
            .map_err(|_| wrong(key, "write an address and a port, like 127.0.0.1:8082"))
    };
    let (public, internal) = (
        address("listen.public", &written.listen.public)?,
        address("listen.internal", &written.listen.internal)?,
    );
    let frontend = frontend(written.frontend)?;
    let test_clock = written.test_clock.enabled;
    let listeners = [
        Some(public),
        Some(internal),
        frontend.as_ref().map(|frontend| frontend.listen),
    ];
    if test_clock && listeners.iter().flatten().any(|listener| !listener.ip().is_loopback()) {
        return Err(wrong("test_clock.enabled", "only with listeners on loopback"));
    }
    let worker_interval = worker_interval(&written.worker)?;
    Ok(Config {
        public,
        internal,
        database: Database::parse(&written.database.url).map_err(|error| ConfigError(error.to_string()))?,
        migrate_on_start: written.database.migrate_on_start,
        keys_dir: written.tokens.keys_dir.clone(),
        tokens: token_terms(written.tokens)?,
        internal_token_file: written.internal.token_file,
        passwords: password_cost(&written.passwords)?,
        identity: identity::identity(written.secrets, written.sign_in, written.mail)?,
        flags: Flags {
            enable_free_trial: written.signup.enable_free_trial,
            validate_api_key: written.flags.validate_api_key,
            strict_jwt_only: written.flags.strict_jwt_only,
        },
        plans_file: written.signup.plans_file,
        billing: billing_terms(&written.billing)?,
        hold_ttl_seconds: within(
            "billing.hold_ttl_seconds",
            written.billing.hold_ttl_seconds,
            1..=MAX_HOLD_SECONDS,
        )?,
        kept: Kept {
            answers: within("billing.idempotency_days", written.billing.idempotency_days, 1..=3650)?,
            // Stripe itself sends an event again for up to thirty days.
            stripe_events: within("stripe.event_days", written.stripe.event_days, 31..=3650)?,
        },
        bank_details: written.billing.bank_details,
        worker_interval: written.worker.enabled.then_some(worker_interval),
        stripe: stripe(written.stripe)?,
        test_clock,
        frontend,
        proxies: proxies(&written.panel.proxies)?,
        grace: Duration::from_secs(written.server.grace_seconds.min(3600)),
    })
}

fn wrong(key: &str, what: &str) -> ConfigError {
    ConfigError(format!("{key}: {what}"))
}

fn token_terms(tokens: file::Tokens) -> Result<TokenTerms, ConfigError> {
    if !(30..=3600).contains(&tokens.access_ttl_seconds) {
        return Err(wrong("tokens.access_ttl_seconds", "30 to 3600"));
    }
    if tokens.issuer.is_empty() || tokens.audience.is_empty() || tokens.app_audience.is_empty() {
        return Err(wrong("tokens", "issuer and audiences must not be empty"));
    }
    if tokens.app_audience == tokens.audience {
        // The public edge would take what is meant for apps alone.
        return Err(wrong("tokens.app_audience", "it must not be tokens.audience"));
    }
    Ok(TokenTerms {
        issuer: tokens.issuer,
        audience: tokens.audience,
        ttl_seconds: tokens.access_ttl_seconds,
        app_audience: tokens.app_audience,
        key_ttl_seconds: within("tokens.key_ttl_seconds", tokens.key_ttl_seconds, 60..=7200)?,
    })
}

/// Hosts with a port, set apart by commas.
fn proxies(text: &str) -> Result<Vec<String>, ConfigError> {
    let named = text.split(',').map(str::trim).filter(|address| !address.is_empty());
    let checked = named.map(|address| {
        let parts = address.rsplit_once(':');
        let port = parts.and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
        // It becomes a `Host` field.
        match port.filter(|_| address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')) {
            Some(_) => Ok(address.to_owned()),
            None => Err(ConfigError(format!(
                "panel.proxies: write hosts with a port, like 127.0.0.1:8081, and commas between them, not {address:?}"
            ))),
        }
    });
    checked.collect()
}

fn password_cost(passwords: &file::Passwords) -> Result<PasswordCost, ConfigError> {
    // Argon2's own bounds (RFC 9106, section 3.1), and a ceiling that keeps a slip of the pen from stopping the machine.
    let lanes = passwords.parallelism;
    let sane = (1..=16).contains(&lanes)
        && (8 * lanes..=4 * 1024 * 1024).contains(&passwords.memory_kib)
        && (1..=100).contains(&passwords.iterations);
    if !sane {
        return Err(ConfigError(
            "passwords: memory_kib from 8 for each lane to 4194304, iterations 1 to 100, parallelism 1 to 16".into(),
        ));
    }
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(PasswordCost {
        memory_kib: passwords.memory_kib,
        iterations: passwords.iterations,
        parallelism: passwords.parallelism,
        max_concurrent: if passwords.max_concurrent == 0 {
            processors
        } else {
            passwords.max_concurrent
        },
    })
}

/// The longest that a hold may live: 30 days.
pub const MAX_HOLD_SECONDS: i64 = 30 * 86_400;

fn within(key: &str, value: i64, range: std::ops::RangeInclusive<i64>) -> Result<i64, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ConfigError(format!(
        "{key}: write {} to {}",
        range.start(),
        range.end()
    )))
}

fn billing_terms(written: &file::Billing) -> Result<BillingTerms, ConfigError> {
    Ok(BillingTerms {
        trial_grace_days: within("billing.trial_grace_days", written.trial_grace_days, 0..=366)?,
        past_due_grace_days: within("billing.past_due_grace_days", written.past_due_grace_days, 0..=366)?,
        seller: seller(&written.seller)?,
    })
}

/// The most that a seller may be.
const SELLER_LINES: usize = 12;
const SELLER_BYTES: usize = 2_000;

/// The lines of whoever issues receipts, without white space around them.
fn seller(written: &str) -> Result<Arc<str>, ConfigError> {
    let lines: Vec<&str> = written.trim().lines().map(str::trim).collect();
    let text = lines.join("\n");
    let is_printable = !lines.iter().any(|line| line.contains(char::is_control));
    if lines.len() <= SELLER_LINES && text.len() <= SELLER_BYTES && is_printable {
        return Ok(text.into());
    }
    Err(ConfigError(format!(
        "billing.seller: write at most {SELLER_LINES} lines of {SELLER_BYTES} bytes in all, without control characters"
    )))
}

fn worker_interval(written: &file::Worker) -> Result<Duration, ConfigError> {
    let interval = i64::try_from(written.interval_ms).unwrap_or(i64::MAX);
    let interval = within("worker.interval_ms", interval, 10..=3_600_000)?;
    Ok(Duration::from_millis(interval.unsigned_abs()))
}

fn frontend(written: file::Frontend) -> Result<Option<FrontendConfig>, ConfigError> {
    let (listen, dir) = (written.listen, written.dir);
    if listen.is_empty() && dir.as_os_str().is_empty() {
        return Ok(None);
    }
    if dir.as_os_str().is_empty() {
        return Err(ConfigError("frontend.dir: name the folder with the built files".into()));
    }
    let listen = listen
        .parse()
        .map_err(|_| ConfigError("frontend.listen: write an address and a port, like 127.0.0.1:8085".into()))?;
    Ok(Some(FrontendConfig { listen, dir }))
}

fn stripe(written: file::Stripe) -> Result<Option<StripeConfig>, ConfigError> {
    if written.webhook_secret_file.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(Some(StripeConfig {
        webhook_secret_file: written.webhook_secret_file,
        tolerance_seconds: within("stripe.tolerance_seconds", written.tolerance_seconds, 1..=3600)?,
        payment_url: written.payment_url,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config/core.toml");

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::read("core.toml", text, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_file_names_every_key_with_its_default() {
        read(SHIPPED, &[]).expect("it is valid");
        let shipped: toml::Table = SHIPPED.parse().unwrap();
        assert_eq!(shipped, toml::Table::try_from(file::ConfigFile::default()).unwrap());
    }

    #[test]
    fn every_key_of_the_shipped_file_is_explained() {
        for line in SHIPPED
            .lines()
            .filter(|line| line.contains(" = ") && !line.starts_with('#'))
        {
            assert!(line.contains(" # "), "{line}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_refused_with_its_line() {
        let error = read("[listen]\npublic = \"127.0.0.1:1\"\npublik = \"x\"\n", &[]).unwrap_err();
        assert!(
            error.contains("core.toml") && error.contains("line 3") && error.contains("publik"),
            "{error}"
        );
        let error = read("", &[("IGNY8_CORE__LISTEN__PUBLIK", "x")]).unwrap_err();
        assert!(error.contains("IGNY8_CORE__LISTEN__PUBLIK"), "{error}");
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_flag_over_both() {
        let config = read(
            "[listen]\npublic = \"127.0.0.1:1\"\n[signup]\nenable_free_trial = true\n",
            &[
                ("IGNY8_CORE__LISTEN__PUBLIC", "127.0.0.1:2"),
                ("IGNY8_CORE__TOKENS__ACCESS_TTL_SECONDS", "60"),
                ("IGNY8_CORE__TOKENS__ISSUER", "42"),
                ("TENANCY_ENABLE_FREE_TRIAL", "0"),
                ("UNRELATED", "x"),
            ],
        )
        .unwrap();
        assert_eq!(config.public.port(), 2);
        assert_eq!((config.tokens.ttl_seconds, config.tokens.issuer.as_str()), (60, "42"));
        assert!(!config.flags.enable_free_trial);
    }

    #[test]
    fn each_emergency_flag_wins_over_what_is_written() {
        let on = Flags {
            enable_free_trial: true,
            validate_api_key: true,
            strict_jwt_only: true,
        };
        assert_eq!(read("", &[]).unwrap().flags, on);
        let off = |name| read("", &[(name, "off")]).unwrap().flags;
        assert!(!off(FREE_TRIAL_FLAG).enable_free_trial);
        let no_standing = Flags {
            validate_api_key: false,
            ..on
        };
        assert_eq!(off(API_KEY_FLAG), no_standing);
        let not_strict = Flags {
            strict_jwt_only: false,
            ..on
        };
        assert_eq!(off(JWT_FLAG), not_strict);
        let written = "[flags]\nvalidate_api_key = false\nstrict_jwt_only = false\n";
        assert_eq!(
            read(written, &[(API_KEY_FLAG, "1"), (JWT_FLAG, "1")]).unwrap().flags,
            on
        );
        assert!(read("", &[(JWT_FLAG, "maybe")]).unwrap_err().contains(JWT_FLAG));
    }

    #[test]
    fn a_seller_is_read_as_lines_without_white_space_around_them() {
        let twelve = ["line"; SELLER_LINES].join("\n");
        let longest = "é".repeat(SELLER_BYTES / 2);
        for (written, lines) in [
            ("", ""),
            (" \n\t\r\n ", ""),
            ("Igny8 Ltd", "Igny8 Ltd"),
            (
                "\n  Igny8 & <Söhne> \r\n\t1 High Street\n\nVAT 1\n\n",
                "Igny8 & <Söhne>\n1 High Street\n\nVAT 1",
            ),
            (&twelve, &twelve),
            (&longest, &longest),
        ] {
            let config = read("", &[("IGNY8_CORE__BILLING__SELLER", written)]).unwrap();
            assert_eq!(&*config.billing.seller, lines, "{written:?}");
        }
        let config = read("[billing]\nseller = \"\"\"\nIgny8 Ltd\n  VAT 1\n\"\"\"", &[]).unwrap();
        assert_eq!(&*config.billing.seller, "Igny8 Ltd\nVAT 1");
    }

    #[test]
    fn a_seller_that_no_receipt_could_show_is_refused_by_name() {
        let many = ["line"; SELLER_LINES + 1].join("\n");
        let long = format!("{}x", "é".repeat(SELLER_BYTES / 2));
        for written in [
            many.as_str(),
            &long,
            "Igny8\tLtd",
            "Igny8\rLtd",
            "Igny8\0Ltd",
            "Igny8\u{1b}[31m",
            "Igny8\u{85}Ltd",
        ] {
            let error = read("", &[("IGNY8_CORE__BILLING__SELLER", written)]).unwrap_err();
            assert!(error.starts_with("billing.seller: "), "{written:?}: {error}");
        }
        let error = read("[billing]\nseller = \"a\\u0007b\"", &[]).unwrap_err();
        assert!(error.starts_with("billing.seller: "), "{error}");
        assert!(
            read("[billing]\nseller = [\"Igny8 Ltd\"]", &[]).is_err(),
            "lines are one text"
        );
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_name() {
        for (text, name) in [
            ("[tokens]\naccess_ttl_seconds = 5", "access_ttl_seconds"),
            ("[tokens]\nkey_ttl_seconds = 59", "key_ttl_seconds"),
            ("[tokens]\napp_audience = \"igny8-api\"", "app_audience"),
            ("[passwords]\nmemory_kib = 4", "memory_kib"),
            ("[passwords]\nparallelism = 0", "parallelism"),
            ("[listen]\npublic = \"localhost\"", "listen.public"),
            ("[database]\nurl = \"mysql://x\"", "database.url"),
            ("[server]\ngrace_seconds = -1", "grace_seconds"),
            ("[sign_in]\nrefresh_grace_seconds = 61", "refresh_grace_seconds"),
            ("[sign_in]\nattempts_per_name = 0", "attempts_per_name"),
            ("[sign_in]\ntotp_issuer = \"a:b\"", "totp_issuer"),
            ("[mail]\nfrom = \"nobody\"", "mail.from"),
            ("[mail]\npublic_url = \"example.com\"", "mail.public_url"),
            ("[mail]\nreset_link_seconds = 0", "reset_link_seconds"),
            (
                "[test_clock]\nenabled = true\n[frontend]\ndir = \"dist\"\nlisten = \"0.0.0.0:1\"",
                "test_clock.enabled",
            ),
            ("[frontend]\nlisten = \"127.0.0.1:1\"", "frontend.dir"),
            ("[frontend]\ndir = \"dist\"", "frontend.listen"),
            ("[frontend]\ndir = \"dist\"\nlisten = \"here\"", "frontend.listen"),
        ] {
            let error = read(text, &[]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        assert!(read("", &[("TENANCY_ENABLE_FREE_TRIAL", "maybe")]).is_err());
        assert!(read("", &[("IGNY8_CORE__TOKENS__ACCESS_TTL_SECONDS", "soon")]).is_err());
    }
}
