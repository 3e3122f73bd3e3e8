//! The command line.

mod arguments;
mod commands;
mod database;

use arguments::{Arguments, LogFormat};
use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// How a command ends when it does not succeed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The command was carried out and its answer is no (the doctor's findings, a refusal).
    #[error("{0}")]
    No(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(String),
    /// The database or the machine does not do what is needed.
    #[error("{0}")]
    Machine(String),
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::No(_) => 1,
            Self::Configuration(_) => 3,
            Self::Machine(_) => 4,
        }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr(arguments.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::Machine(error.to_string())),
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

#[expect(clippy::print_stderr, reason = "a command's last words belong to whoever typed it")]
fn fail(failure: &Failure) -> ExitCode {
    eprintln!("igny8-core: {failure}");
    ExitCode::from(failure.code())
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Pretty => builder.init(),
    }
}
