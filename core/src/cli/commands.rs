//! What each command does.

use super::Failure;
use super::arguments::{Arguments, Command, Db, Keys, Output, PlatformRole, Staff};
use super::database;
use crate::adapters::keys::{self, Keyring};
use crate::adapters::random::OsRandom;
use crate::app::staff::{self, NewStaff};
use crate::app::{StoryError, seed_plans};
use crate::config::Config;
use crate::domain::user::{User, normal_email};
use crate::http::shapes::rfc_3339;
use crate::http::{error_reference, openapi};
use crate::serve::{self, ServeError};
use crate::storage::{self, Store};
use igny8_contract::time::{Clock, SystemClock};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// The variable that may hold a new member's password.
const PASSWORD_VARIABLE: &str = "IGNY8_STAFF_PASSWORD";

impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Self {
        Self::Machine(error.to_string())
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::Machine(error.to_string())
    }
}

impl From<StoryError> for Failure {
    fn from(error: StoryError) -> Self {
        match error {
            StoryError::Refused(refusal) => Self::No(format!("{}: {}", refusal.code(), refusal.sentence())),
            StoryError::RefusedFields(refusal, fields) => {
                let fields: Vec<String> = fields
                    .into_iter()
                    .map(|(name, what)| format!("{name}: {what}"))
                    .collect();
                Self::No(format!("{}: {}", refusal.code(), fields.join(" ")))
            }
            StoryError::Storage(error) => error.into(),
            StoryError::Throttled(seconds) => Self::No(format!("throttled: try again in {seconds} seconds")),
            StoryError::Shared(_) => Self::Machine(error.to_string()),
            StoryError::Fault(what) => Self::Machine(what),
        }
    }
}

/// Carries a command out.
pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Command::Openapi { errors } = arguments.command {
        let text = if errors {
            error_reference::text()
        } else {
            openapi::text()
        };
        return write(&text.map_err(|error| Failure::Machine(error.to_string()))?);
    }
    let config = Config::load(arguments.config.as_deref(), environment())
        .map_err(|error| Failure::Configuration(error.to_string()))?;
    match arguments.command {
        Command::Serve => Ok(serve::serve(config).await?),
        Command::Migrate(command) => database::migrate(&config, command).await,
        Command::SeedPlans { file, output } => lay_down_plans(&config, file, output).await,
        Command::Staff(command) => staff_command(&config, command).await,
        Command::Keys(command) => keys_command(&config, command),
        Command::Doctor { output } => database::examine(&config, output).await,
        Command::Db(Db::Copy { from, to, output }) => database::copy(&config, &from, &to, output).await,
        Command::Openapi { .. } => Ok(()),
    }
}

/// Variables whose text is not UTF-8 are none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Machine(error.to_string()))
}

/// Prints lines for people, or the JSON value.
pub(super) fn print(output: Output, lines: &[String], value: &Value) -> Result<(), Failure> {
    if output.json {
        return write(&format!("{value}\n"));
    }
    lines.iter().try_for_each(|line| write(&format!("{line}\n")))
}

async fn lay_down_plans(config: &Config, file: Option<PathBuf>, output: Output) -> Result<(), Failure> {
    let file = file.unwrap_or_else(|| config.plans_file.clone());
    let told = |error: String| Failure::Configuration(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|error| told(error.to_string()))?;
    let plans = seed_plans::parse(&text).map_err(told)?;
    let store = Store::open(&config.database)?;
    let outcome = seed_plans::lay_down(&store, plans, SystemClock::new().now()).await?;
    store.close().await;
    let word = |added: bool| if added { "added" } else { "there already" };
    let lines: Vec<String> = outcome
        .iter()
        .map(|(slug, added)| format!("{slug}: {}", word(*added)))
        .collect();
    let rows = outcome
        .iter()
        .map(|(slug, added)| json!({"slug": slug, "added": added}))
        .collect();
    print(output, &lines, &Value::Array(rows))
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id, "account_id": user.account_id, "email": user.email, "platform_role": user.platform_role,
        "is_superuser": user.is_superuser, "is_active": user.is_active, "created_at": rfc_3339(user.created_at),
    })
}

fn user_line(user: &User) -> String {
    let role = user
        .platform_role
        .map_or("", igny8_contract::claims::PlatformRole::as_str);
    let superuser = if user.is_superuser { " superuser" } else { "" };
    let active = if user.is_active { "" } else { " disabled" };
    format!("{} {} {role}{superuser}{active}", user.id, user.email)
}

async fn staff_command(config: &Config, command: Staff) -> Result<(), Failure> {
    let core = serve::core(config, false)?;
    let (output, users) = match command {
        Staff::Create {
            email,
            platform_role,
            superuser,
            password_stdin,
            first_name,
            last_name,
            output,
        } => {
            let new = NewStaff {
                email: address(&email)?,
                password: password(password_stdin)?,
                first_name,
                last_name,
                platform_role: match platform_role {
                    PlatformRole::Developer => igny8_contract::claims::PlatformRole::Developer,
                    PlatformRole::Admin => igny8_contract::claims::PlatformRole::Admin,
                },
                is_superuser: superuser,
            };
            (output, vec![staff::create(&core, new).await?])
        }
        Staff::List { output } => {
            let users = staff::list(&core).await?;
            let rows = Value::Array(users.iter().map(user_json).collect());
            core.store.close().await;
            return print(output, &users.iter().map(user_line).collect::<Vec<_>>(), &rows);
        }
        Staff::Disable { email, output } => (output, vec![staff::disable(&core, address(&email)?).await?]),
        Staff::ResetTotp { email, output } => (output, vec![staff::reset_totp(&core, address(&email)?).await?]),
    };
    core.store.close().await;
    users
        .iter()
        .try_for_each(|user| print(output, &[user_line(user)], &user_json(user)))
}

fn address(email: &str) -> Result<String, Failure> {
    normal_email(email).ok_or_else(|| Failure::No(format!("{email:?} is not an e-mail address")))
}

fn password(from_stdin: bool) -> Result<SecretString, Failure> {
    let text = if from_stdin {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map_err(|error| Failure::Machine(error.to_string()))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        std::env::var(PASSWORD_VARIABLE).unwrap_or_default()
    };
    if text.is_empty() {
        return Err(Failure::No(format!(
            "give the password by --password-stdin or {PASSWORD_VARIABLE}"
        )));
    }
    Ok(text.into())
}

fn keys_command(config: &Config, command: Keys) -> Result<(), Failure> {
    let told = |error: keys::KeyFault| Failure::Machine(error.to_string());
    let now = SystemClock::new().now();
    let output = match command {
        Keys::Rotate { output } => {
            keys::make(&config.keys_dir, &OsRandom, now).map_err(told)?;
            output
        }
        Keys::List { output } => output,
    };
    let ring = Keyring::read(&config.keys_dir, config.tokens.longest_ttl_seconds()).map_err(told)?;
    let (keys, uses) = (ring.all(), ring.uses(now));
    let rows = keys.iter().zip(&uses);
    let lines: Vec<String> = rows
        .clone()
        .map(|(key, use_)| format!("{:8} {} {}", use_.as_str(), rfc_3339(key.made), key.kid))
        .collect();
    let value = rows
        .map(|(key, use_)| json!({"kid": key.kid, "made_at": rfc_3339(key.made), "use": use_.as_str()}))
        .collect();
    print(output, &lines, &Value::Array(value))
}
