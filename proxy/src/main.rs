//! `igny8-proxy`: the security sidecar.

use clap::{Parser, Subcommand, ValueEnum};
use igny8_contract::time::SystemClock;
use igny8_proxy::config::Config;
use igny8_proxy::serve;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The security sidecar in front of a web app.
///
/// Exit codes: 0 it ran and ended as asked; 1 it could not start; 2 the command line was wrong.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  igny8-proxy check && igny8-proxy serve")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The configuration file
    #[arg(long, global = true, default_value = "config/proxy.toml", value_name = "FILE")]
    config: PathBuf,
    /// The limits file, instead of the one that the configuration names
    #[arg(long, global = true, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// How the program's own log is written to standard error
    #[arg(long, global = true, default_value = "pretty")]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy until SIGTERM (drains) or SIGINT; SIGHUP reads the limits again
    #[command(
        after_help = "Example:\n  IGNY8_PROXY__LISTEN__PUBLIC=127.0.0.1:9000 igny8-proxy serve --config config/proxy.toml"
    )]
    Serve,
    /// Read the configuration and the limits, say what is wrong with them and where they are wider than the default, and
    /// change nothing
    #[command(after_help = "Example:\n  igny8-proxy check --config config/proxy.toml")]
    Check,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Json,
    Pretty,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.log_format);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("igny8-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), serve::ServeError> {
    let mut config = Config::load(&arguments.config, std::env::vars())?;
    if let Some(limits) = arguments.limits {
        config.limits_file = limits;
    }
    match arguments.command {
        Command::Serve => serve::serve(config),
        Command::Check => {
            let limits = serve::open_limits(&config, Arc::new(SystemClock::new()))?;
            println!(
                "{} and {} are valid",
                arguments.config.display(),
                config.limits_file.display()
            );
            let mut wider = config.wider.clone();
            for section in limits.load().shadows() {
                wider.push(format!("limits `{section}`: mode = \"shadow\": refuses nobody"));
            }
            if !wider.is_empty() {
                println!("wider than the default:\n  {}", wider.join("\n  "));
            }
            Ok(())
        }
    }
}

fn start_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,pingora=warn,pingora_core=warn,pingora_proxy=warn")
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Pretty => log.with_ansi(false).init(),
    }
}
