//! A database of a test's own, and the core on it.

use super::audited::every_line_tells_its_change;
use igny8_testkit::folder::TestFolder;
use igny8_testkit::http::{Request, get, post, request};
use igny8_testkit::ports::PortBlock;
use igny8_testkit::postgres::Postgres;
use igny8_testkit::process::Child;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const PASSWORD: &str = "plover-tannin-93-gazette";

/// How long a core may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every table with rows of its own, for counting.
pub const TABLES: [&str; 24] = [
    "account",
    "users",
    "ledger_entry",
    "subscription",
    "subscription_period",
    "credit_bucket",
    "credit_hold",
    "credit_hold_part",
    "idempotency_key",
    "payment",
    "receipt",
    "stripe_subscription",
    "stripe_event",
    "sign_in",
    "refresh_token",
    "mailed_token",
    "totp",
    "totp_recovery_code",
    "admin_session",
    "api_key",
    "invitation",
    "audit",
    "outbox",
    "plan",
];

pub struct Site {
    pub engine: &'static str,
    pub url: String,
    pub folder: TestFolder,
    ports: PortBlock,
}

fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

/// Runs the test on SQLite, then on PostgreSQL, each with an empty database with schema and plans.
pub fn on_both(test: impl Fn(Site)) {
    for site in [Site::sqlite(), Site::postgres()] {
        site.must(&["migrate", "up"]);
        site.must(&["seed-plans"]);
        println!("on {}", site.engine);
        test(site);
    }
}

impl Site {
    /// Without schema.
    pub fn sqlite() -> Self {
        let folder = TestFolder::new();
        let url = format!("sqlite://{}", folder.path().join("db/core.sqlite3").display());
        Self {
            engine: "sqlite",
            url,
            folder,
            ports: PortBlock::claim(),
        }
    }

    /// Without schema.
    pub fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = postgres().create_database(&format!("site_{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        Self::at("postgres", url)
    }

    pub fn at(engine: &'static str, url: String) -> Self {
        Self {
            engine,
            url,
            folder: TestFolder::new(),
            ports: PortBlock::claim(),
        }
    }

    /// Another site with the same database, as it stands. Nobody else may be connected to it.
    pub fn twin(&self) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if self.engine == "sqlite" {
            let twin = Self::sqlite();
            self.sql("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            let path = |site: &Self| site.folder.path().join("db/core.sqlite3");
            std::fs::create_dir(twin.folder.path().join("db")).unwrap();
            std::fs::copy(path(self), path(&twin)).unwrap();
            return twin;
        }
        let (server, name) = self.url.rsplit_once('/').unwrap();
        let twin = format!("{name}_twin_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE DATABASE \"{twin}\" TEMPLATE \"{name}\""))
            .unwrap();
        Self::at("postgres", format!("{server}/{twin}"))
    }

    /// The configuration, as variables of the environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        [
            ("LISTEN__PUBLIC", self.ports.address(2)),
            ("LISTEN__INTERNAL", self.ports.address(3)),
            ("DATABASE__URL", self.url.clone()),
            ("TOKENS__KEYS_DIR", place("keys")),
            ("INTERNAL__TOKEN_FILE", place("secrets/internal_token")),
            ("SECRETS__KEY_FILE", place("secrets/core_key")),
            ("MAIL__FOLDER", place("mail")),
            ("SIGNUP__PLANS_FILE", format!("{root}/config/plans.toml")),
            ("PASSWORDS__MEMORY_KIB", "8".into()),
            ("PASSWORDS__ITERATIONS", "1".into()),
        ]
        .map(|(key, value)| (format!("IGNY8_CORE__{key}"), value))
        .into()
    }

    /// The command with its configuration in the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igny8-core"));
        command.args(arguments).current_dir(self.folder.path());
        command.args(["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/../config/core.toml")]);
        command.envs(self.environment());
        for flag in [
            "TENANCY_ENABLE_FREE_TRIAL",
            "TENANCY_VALIDATE_API_KEY",
            "TENANCY_STRICT_JWT_ONLY",
        ] {
            command.env_remove(flag);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    /// Runs a command that must succeed, and gives back what it printed.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        igny8_testkit::process::run(&mut self.command(arguments))
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Serves with more variables in the environment.
    pub fn serve_with(&self, environment: &[(&str, &str)]) -> Server {
        self.serve_through(&[], environment)
    }

    /// Serves through another program, which ends by becoming the core.
    pub fn serve_through(&self, program: &[&str], environment: &[(&str, &str)]) -> Server {
        let core = self.command(&["serve"]);
        let mut words = program
            .iter()
            .map(std::ffi::OsStr::new)
            .chain([core.get_program()])
            .chain(core.get_args());
        let mut command = Command::new(words.next().expect("the core's own program at least"));
        command.args(words).current_dir(self.folder.path());
        for (key, value) in core.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command.envs(environment.iter().copied());
        let mut child = Child::start("igny8-core", &command, &self.folder.path().join("core.log"));
        let (public, internal) = (self.ports.address(2), self.ports.address(3));
        child.wait_until("the core to answer", PATIENCE, || {
            let answer = get(&internal, "/.well-known/jwks.json").try_send().ok()?;
            (answer.status == 200).then_some(())
        });
        let path = self.folder.path().join("secrets/internal_token");
        let token = std::fs::read_to_string(path).expect("serve makes the internal token");
        Server {
            child,
            public,
            internal,
            token: token.trim().to_owned(),
        }
    }

    /// Runs one statement.
    pub fn sql(&self, sql: &str) -> Result<u64, String> {
        self.with_connection(async |mut connection| {
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await;
            done.map(|done| done.rows_affected()).map_err(|error| error.to_string())
        })
    }

    pub fn rows<T>(&self, sql: &str, read: impl Fn(&AnyRow) -> T) -> Vec<T> {
        self.with_connection(async |mut connection| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
                .fetch_all(&mut connection)
                .await;
            rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
                .iter()
                .map(read)
                .collect()
        })
    }

    /// Runs statements with the schema's triggers and references off, as no program of ours ever does.
    pub fn tamper(&self, sql: &str) {
        let off = if self.engine == "sqlite" {
            let triggers = self.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'", |row| {
                format!("DROP TRIGGER {};", row.get::<String, _>(0))
            });
            format!(
                "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {}",
                triggers.concat()
            )
        } else {
            "SET session_replication_role = replica;".to_owned()
        };
        self.sql(&format!("{off} {sql}"))
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql, |row| row.get::<i64, _>(0))[0]
    }

    /// How many rows each table has.
    pub fn counts(&self) -> Vec<(&'static str, i64)> {
        TABLES
            .iter()
            .map(|table| (*table, self.number(&format!("SELECT COUNT(*) FROM {table}"))))
            .collect()
    }

    /// How many accounts, users, entries, … there are, all tables but the plans' and the audit of those.
    pub fn people(&self) -> i64 {
        TABLES
            .iter()
            .filter(|table| !matches!(**table, "plan" | "audit"))
            .map(|table| self.number(&format!("SELECT COUNT(*) FROM {table}")))
            .sum()
    }

    fn with_connection<T>(&self, work: impl AsyncFnOnce(AnyConnection) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            sqlx::any::install_default_drivers();
            let connection = AnyConnection::connect(&self.url).await.expect("the database answers");
            work(connection).await
        })
    }

    /// What the doctor finds: accounts (0 for none in particular) and sentences.
    pub fn findings(&self) -> Vec<(i64, String)> {
        let report: Value = serde_json::from_slice(&self.run(&["doctor", "--json"]).stdout).unwrap();
        let finding = |finding: &Value| {
            let what = finding["what"].as_str().unwrap().to_owned();
            (finding["account_id"].as_i64().unwrap_or_default(), what)
        };
        report["findings"].as_array().unwrap().iter().map(finding).collect()
    }

    /// The doctor finds nothing, and the audit tells what every act has changed.
    #[track_caller]
    pub fn is_healthy(&self) {
        every_line_tells_its_change(self);
        let report = self.must(&["doctor", "--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["findings"], json!([]), "{}", self.engine);
    }
}

pub struct Server {
    pub child: Child,
    pub public: String,
    pub internal: String,
    /// What proxies prove themselves with.
    pub token: String,
}

/// A person who has signed up.
pub struct Member {
    pub email: String,
    pub access: String,
    pub data: Value,
}

pub fn new_email() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "person-{}-{}@example.com",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A member of staff, by command, and their access token.
pub fn staff(site: &Site, server: &Server) -> String {
    let email = new_email();
    let mut command = site.command(&["staff", "create", "--email", &email, "--platform-role", "admin"]);
    igny8_testkit::process::run(command.env("IGNY8_STAFF_PASSWORD", PASSWORD));
    server.login(&email, PASSWORD).json()["data"]["access"]
        .as_str()
        .unwrap()
        .to_owned()
}

impl Server {
    pub fn get(&self, path: &str) -> Request {
        get(&self.public, path)
    }

    pub fn post(&self, path: &str) -> Request {
        post(&self.public, path)
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        request(&self.public, method, path)
    }

    pub fn register(&self, body: &Value) -> Response {
        self.post("/api/v1/auth/register/").json(body).send()
    }

    pub fn login(&self, email: &str, password: &str) -> Response {
        self.post("/api/v1/auth/login/")
            .json(&json!({"email": email, "password": password}))
            .send()
    }

    /// A new person.
    pub fn sign_up(&self) -> Member {
        let email = new_email();
        let answer = self.register(&json!({"email": email, "password": PASSWORD}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let data = answer.json()["data"].clone();
        Member {
            email,
            access: data["access"].as_str().unwrap().to_owned(),
            data,
        }
    }

    /// What the metrics say under this name with its labels; nothing where they do not.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = get(&self.internal, "/metrics").bearer(&self.token).send().text();
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.next().and_then(|value| value.parse().ok())
    }

    /// A call to the internal listener with its token.
    pub fn ask(&self, path: &str, body: &Value) -> Response {
        post(&self.internal, path).bearer(&self.token).json(body).send()
    }
}
