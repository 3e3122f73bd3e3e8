//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes: 0 done · 1 carried out, and the answer is no (findings, a refusal) · \
                          2 wrong command line · 3 wrong configuration · 4 database or machine not usable.\n\
                          Logs go to standard error; RUST_LOG sets their level.";

/// Accounts, plans, credits, subscriptions and sign-in, behind the igny8 proxy.
#[derive(Debug, Parser)]
#[command(name = "igny8-core", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The configuration; config/core.toml where it is left out and there is one.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// The form of the log.
    #[arg(long, value_enum, default_value_t = LogFormat::Json, global = true)]
    pub log_format: LogFormat,

    #[command(subcommand)]
    pub command: Command,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Pretty,
}

/// A result for scripts.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print one JSON value instead of lines for people.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the public API and the internal listener until SIGTERM.
    ///
    /// Makes the first signing key and the internal token where they are missing. SIGHUP reads the keys again; SIGTERM
    /// lets requests under way finish within `grace_seconds`.
    #[command(after_help = "Example: igny8-core serve --config /etc/igny8/core.toml")]
    Serve,

    /// Bring the schema up to date, take it back, or tell where it stands.
    #[command(subcommand)]
    Migrate(Migrate),

    /// Lay down the catalogue of plans; plans that are there stay as they are.
    #[command(
        visible_alias = "create-free-trial-plan",
        after_help = "Example: igny8-core seed-plans --file config/plans.toml"
    )]
    SeedPlans {
        /// The catalogue; `signup.plans_file` where it is left out.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },

    /// The platform's own people.
    #[command(subcommand)]
    Staff(Staff),

    /// The keys that sign access tokens.
    #[command(subcommand)]
    Keys(Keys),

    /// Check every invariant on the database and print what breaks one, account by account. Exit code 1 with findings.
    #[command(after_help = "Example: igny8-core doctor --json")]
    Doctor {
        #[command(flatten)]
        output: Output,
    },

    /// Whole databases.
    #[command(subcommand)]
    Db(Db),

    /// Print the OpenAPI description of the public API.
    #[command(after_help = "Example: igny8-core openapi > core/openapi.json\n         \
        igny8-core openapi --errors > docs/errors.md")]
    Openapi {
        /// Print which refusals there are and which route answers them instead, as Markdown.
        #[arg(long)]
        errors: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Run every migration that has not run.
    #[command(after_help = "Example: igny8-core migrate up")]
    Up {
        #[command(flatten)]
        output: Output,
    },
    /// Take the schema back to a migration. What the older schema cannot hold is lost, and told.
    #[command(after_help = "Example: igny8-core migrate down --to 6")]
    Down {
        /// The number of the migration that is to be the last; 0 for none.
        #[arg(long, value_name = "N")]
        to: i64,
        #[command(flatten)]
        output: Output,
    },
    /// List the migrations and whether they have run.
    #[command(after_help = "Example: igny8-core migrate status --json")]
    Status {
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub enum Db {
    /// Copy everything from one database to another, in either direction between SQLite and PostgreSQL.
    ///
    /// The target has the schema (`migrate up`) and nothing else. Stop every core on both first; on SQLite a core that
    /// serves is noticed. It is copied in one transaction, counts and sums are compared before it is committed, and the
    /// doctor looks at the result. Exit code 1 where a database is not fit for it, or the doctor finds something.
    #[command(
        after_help = "Example: igny8-core db copy --from sqlite://var/db/igny8.sqlite3 --to postgres://igny8@127.0.0.1/igny8"
    )]
    Copy {
        #[arg(long, value_name = "URL")]
        from: String,
        #[arg(long, value_name = "URL")]
        to: String,
        #[command(flatten)]
        output: Output,
    },
}

/// What a member of staff may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlatformRole {
    Developer,
    Admin,
}

#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Make a member of staff. The password comes from standard input or IGNY8_STAFF_PASSWORD, never the command line.
    #[command(
        after_help = "Example: igny8-core staff create --email ada@example.com --platform-role admin --superuser --password-stdin < password.txt"
    )]
    Create {
        #[arg(long)]
        email: String,
        #[arg(long, value_enum)]
        platform_role: PlatformRole,
        /// May do anything in the panel.
        #[arg(long)]
        superuser: bool,
        /// Read the password from standard input, up to the end of its first line.
        #[arg(long)]
        password_stdin: bool,
        #[arg(long, default_value = "")]
        first_name: String,
        #[arg(long, default_value = "")]
        last_name: String,
        #[command(flatten)]
        output: Output,
    },
    /// List the members of staff.
    #[command(after_help = "Example: igny8-core staff list --json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Shut a member of staff out, with every token and session of theirs.
    #[command(after_help = "Example: igny8-core staff disable --email ada@example.com")]
    Disable {
        #[arg(long)]
        email: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take the second factor of a member of staff away who has lost it, with every token and session of theirs.
    #[command(after_help = "Example: igny8-core staff reset-totp --email ada@example.com")]
    ResetTotp {
        #[arg(long)]
        email: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a new key. It is published at once and signs half a minute later; the old one stays published until its last
    /// token has run out. A running core notices by itself.
    #[command(after_help = "Example: igny8-core keys rotate")]
    Rotate {
        #[command(flatten)]
        output: Output,
    },
    /// List the keys and what each is good for.
    #[command(after_help = "Example: igny8-core keys list --json")]
    List {
        #[command(flatten)]
        output: Output,
    },
}
