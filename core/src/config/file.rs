//! What a person may write.

use super::PREFIX;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

macro_rules! section {
    ($name:ident { $($key:ident: $kind:ty = $default:expr,)* }) => {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name { $(pub(super) $key: $kind,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

section! { ConfigFile {
    listen: Listen = Listen::default(),
    database: Database = Database::default(),
    tokens: Tokens = Tokens::default(),
    internal: Internal = Internal::default(),
    secrets: Secrets = Secrets::default(),
    passwords: Passwords = Passwords::default(),
    sign_in: SignIn = SignIn::default(),
    mail: Mail = Mail::default(),
    signup: Signup = Signup::default(),
    flags: Flags = Flags::default(),
    billing: Billing = Billing::default(),
    worker: Worker = Worker::default(),
    stripe: Stripe = Stripe::default(),
    test_clock: TestClock = TestClock::default(),
    frontend: Frontend = Frontend::default(),
    panel: Panel = Panel::default(),
    server: Server = Server::default(),
} }
section! { Listen {
    public: String = "127.0.0.1:8082".into(),
    internal: String = "127.0.0.1:8083".into(),
} }
section! { Database {
    url: String = "sqlite://var/db/igny8.sqlite3".into(),
    migrate_on_start: bool = false,
} }
section! { Tokens {
    issuer: String = "igny8-core".into(),
    audience: String = "igny8-api".into(),
    access_ttl_seconds: i64 = 300,
    app_audience: String = "igny8-app".into(),
    key_ttl_seconds: i64 = 600,
    keys_dir: PathBuf = "var/keys".into(),
} }
section! { Internal {
    token_file: PathBuf = "var/secrets/internal_token".into(),
} }
section! { Secrets {
    key_file: PathBuf = "var/secrets/core_key".into(),
} }
section! { SignIn {
    refresh_idle_seconds: i64 = 1_209_600,
    refresh_absolute_seconds: i64 = 7_776_000,
    refresh_grace_seconds: i64 = 10,
    attempts_per_name: i64 = 10,
    attempts_per_address: i64 = 50,
    attempts_seconds: i64 = 900,
    totp_issuer: String = "igny8".into(),
    panel_idle_seconds: i64 = 1800,
    panel_absolute_seconds: i64 = 28_800,
} }
section! { Mail {
    smtp_url: String = String::new(),
    smtp_url_file: PathBuf = PathBuf::new(),
    from: String = "igny8 <no-reply@localhost>".into(),
    public_url: String = "http://127.0.0.1:8080".into(),
    folder: PathBuf = "var/mail".into(),
    verify_link_seconds: i64 = 259_200,
    reset_link_seconds: i64 = 3600,
    mails_per_name: i64 = 5,
    mails_per_address: i64 = 30,
    mails_seconds: i64 = 3600,
} }
section! { Passwords {
    memory_kib: u32 = 19_456,
    iterations: u32 = 2,
    parallelism: u32 = 1,
    max_concurrent: usize = 0,
} }
section! { Signup {
    enable_free_trial: bool = true,
    plans_file: PathBuf = "config/plans.toml".into(),
} }
section! { Flags {
    validate_api_key: bool = true,
    strict_jwt_only: bool = true,
} }
section! { Billing {
    trial_grace_days: i64 = 0,
    past_due_grace_days: i64 = 7,
    hold_ttl_seconds: i64 = 900,
    idempotency_days: i64 = 30,
    bank_details: String = String::new(),
    seller: String = String::new(),
} }
section! { Worker {
    enabled: bool = true,
    interval_ms: u64 = 1000,
} }
section! { Stripe {
    webhook_secret_file: PathBuf = PathBuf::new(),
    tolerance_seconds: i64 = 300,
    payment_url: String = String::new(),
    event_days: i64 = 90,
} }
section! { Frontend {
    listen: String = String::new(),
    dir: PathBuf = PathBuf::new(),
} }
section! { Panel {
    proxies: String = String::new(),
} }
section! { TestClock {
    enabled: bool = false,
} }
section! { Server {
    grace_seconds: u64 = 10,
} }

/// The file called `name`, overlaid with the environment. Errors are sentences.
pub(super) fn read(name: &str, text: &str, environment: &[(String, String)]) -> Result<ConfigFile, String> {
    // Read once for its own sake: these errors carry the line.
    let written: ConfigFile = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let mut table = toml::Table::try_from(&written).map_err(|error| format!("{name}: {error}"))?;
    for (variable, value) in environment {
        let Some(place) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        overlay(&mut table, place, value).map_err(|what| format!("{variable}: {what}"))?;
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| format!("the environment: {}", error.message()))
}

fn overlay(table: &mut toml::Table, place: &str, value: &str) -> Result<(), String> {
    let place = place.to_ascii_lowercase();
    let (section, key) = place.split_once("__").ok_or("write IGNY8_CORE__SECTION__KEY")?;
    // Every key has a default, so what stands there says what kind of value belongs there.
    let slot = table
        .get_mut(section)
        .and_then(|section| section.as_table_mut())
        .and_then(|section| section.get_mut(key))
        .ok_or_else(|| format!("there is no key {section}.{key}"))?;
    *slot = match slot {
        toml::Value::Integer(_) => value
            .parse()
            .map(toml::Value::Integer)
            .map_err(|_| "write a whole number")?,
        toml::Value::Boolean(_) => toml::Value::Boolean(flag(value).ok_or("write true or false")?),
        _ => toml::Value::String(value.to_owned()),
    };
    Ok(())
}

/// A flag as people write it in an environment.
pub(super) fn flag(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}
