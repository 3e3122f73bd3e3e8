//! `igny8-proxy`: the security sidecar.

use clap::{Parser, Subcommand, ValueEnum};
use igny8_proxy::config::{self, Config};
use igny8_proxy::explain::{self, Asked};
use igny8_proxy::{check, replay, serve};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The security sidecar in front of a web app.
///
/// Exit codes: 0 it ran and ended as asked; 1 it could not start, or a file could not be read; 2 the command line was wrong.
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
        after_help = "Examples:\n  IGNY8_PROXY__LISTEN__PUBLIC=127.0.0.1:9000 igny8-proxy serve --config config/proxy.toml\n  \
                      igny8-proxy serve --upgrade    # a new version, or a changed configuration, without a refused connection"
    )]
    Serve {
        /// Take the listening sockets over from the proxy that runs with the same `listen` addresses, as the same user
        ///
        /// The new proxy accepts connections once it is ready; the old one then accepts no more, finishes what is under way
        /// within its `server.grace_seconds` and ends. If the new one cannot start or is not ready within a minute, it ends
        /// with exit code 1, and the old one goes on as if nothing had been asked.
        #[arg(long)]
        upgrade: bool,
    },
    /// Read the configuration and the limits, say what is wrong with them and where they are wider than the default, and
    /// change nothing
    ///
    /// The exit code is 0 where both are valid, however wide they are, and 1 where one is not.
    #[command(
        after_help = "Examples:\n  igny8-proxy check --config config/proxy.toml\n  igny8-proxy check --json | jq -r '.wider[].key'"
    )]
    Check {
        /// One JSON object instead of text: valid, config, limits, wider (each with key, default, value, why), notes; or valid,
        /// error
        #[arg(long)]
        json: bool,
    },
    /// Print the steps of one request without sending it
    ///
    /// Core, app and issuers are asked as for a real request; no session is ended and nothing is counted. The exit code is 0
    /// whether the request would be forwarded or refused, and 1 when it could not be explained.
    #[command(
        after_help = "Examples:\n  igny8-proxy explain GET http://localhost:8080/api/v1/whoami/ -H \"Authorization: Bearer $ACCESS\"\n  \
                      igny8-proxy explain GET /admin/ -H @fields.txt --json\n  igny8-proxy explain POST //api --offline"
    )]
    Explain {
        /// The request's method, as it would be sent
        method: String,
        /// A URL, or a path at the first host that is served
        url: String,
        /// A header field; @FILE reads fields from a file, one a line, so that no credential shows in the list of processes
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
        /// The address that the client would have, for routes that serve certain networks
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
        client: IpAddr,
        /// Ask nobody: what only core, app and issuers know is unknown
        #[arg(long)]
        offline: bool,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Run an access log against this configuration and print which verdicts change
    ///
    /// Lines whose verdict depends on what the log does not say (whose a session was, how full a bucket was, bytes that were
    /// no request) count as unknown; what the throttle said is taken from the log. The exit code is 0 whether or not anything
    /// changes, and 1 when the log or the configuration cannot be read.
    #[command(after_help = "Example:\n  igny8-proxy replay var/log/proxy.log --config new-proxy.toml")]
    Replay {
        /// The access log, JSON lines; - reads standard input
        log: PathBuf,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Json,
    Pretty,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.log_format);
    let checks_for_a_script = matches!(arguments.command, Command::Check { json: true });
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if checks_for_a_script {
                println!("{}", check::invalid_as_json(error.as_ref()));
            }
            eprintln!("igny8-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let environment = config::ours(std::env::vars_os())?;
    let mut config = Config::load(&arguments.config, environment.into_iter())?;
    if let Some(limits) = arguments.limits {
        config.limits_file = limits;
    }
    match arguments.command {
        Command::Serve { upgrade } => serve::serve(config, upgrade)?,
        Command::Check { json } => {
            let findings = check::check(&config, &arguments.config)?;
            if json {
                println!("{}", findings.as_json());
            } else {
                print!("{}", findings.as_text());
            }
        }
        Command::Explain {
            method,
            url,
            headers,
            client,
            offline,
            json,
        } => {
            let fields = read_fields(headers)?;
            let asked = Asked {
                method,
                url,
                fields,
                client,
            };
            let (steps, outcome) = explain::explain(&config, &asked, offline)?;
            if json {
                println!("{}", explain::as_json(&steps, outcome));
            } else {
                print!("{}", explain::as_text(&steps, outcome));
            }
        }
        Command::Replay { log, json } => {
            let findings = if log.as_os_str() == "-" {
                replay::replay(&config, std::io::stdin().lock())?
            } else {
                let file = std::fs::File::open(&log).map_err(|error| format!("{}: {error}", log.display()))?;
                replay::replay(&config, std::io::BufReader::new(file))?
            };
            if json {
                println!("{}", findings.as_json());
            } else {
                print!("{}", findings.as_text());
            }
        }
    }
    Ok(())
}

/// The fields of the command line, those of files in their place.
fn read_fields(headers: Vec<String>) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    for header in headers {
        match header.strip_prefix('@') {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
                fields.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
            }
            None => fields.push(header),
        }
    }
    Ok(fields)
}

/// `RUST_LOG` says how much of our own is logged. Others never go below `info`: what pingora tells then are whole bodies, with
/// the tokens in them.
fn start_log(format: LogFormat) {
    let asked = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,pingora=warn,pingora_core=warn,pingora_proxy=warn"));
    let fit = filter_fn(|metadata| *metadata.level() <= Level::INFO || metadata.target().starts_with("igny8_"));
    let log = tracing_subscriber::registry().with(asked).with(fit);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.with(lines.json()).init(),
        LogFormat::Pretty => log.with(lines.with_ansi(false)).init(),
    }
}
