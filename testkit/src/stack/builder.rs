//! How a stack should be, and the files that make it so.

use super::{Doorway, Stack};
use crate::config::set;
use crate::django::{self, Django};
use crate::folder::TestFolder;
use crate::ports::PortBlock;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use toml::Table;

/// Limits that no test meets by accident.
pub const GENEROUS_LIMITS: &str = "\
[default]\nrate = \"600000/m\"\nburst = 100000\n\
[address]\nrate = \"600000/m\"\nburst = 100000\n\
[cold]\nrate = \"600000/m\"\nburst = 100000\n\
[scope.auth]\nrate = \"600000/m\"\nburst = 100000\n";

/// What is behind the proxy.
#[derive(Clone, Debug)]
pub enum App {
    /// The example app under this server.
    Django(django::Server),
    /// Something of the test's own at this address; nothing is started for it.
    At(String),
}

type Edit = Box<dyn FnOnce(&mut Table)>;

/// How a stack should be.
pub struct Builder {
    app: App,
    database: Option<String>,
    limits: String,
    app_environment: Vec<(String, String)>,
    core_edits: Vec<Edit>,
    proxy_edits: Vec<Edit>,
    proxies: usize,
    proxy_log: Option<&'static str>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            app: App::Django(django::Server::Gunicorn),
            database: None,
            limits: GENEROUS_LIMITS.to_owned(),
            app_environment: Vec::new(),
            core_edits: Vec::new(),
            proxy_edits: Vec::new(),
            proxies: 1,
            proxy_log: None,
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("app", &self.app)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Puts this behind the proxy instead of the example app under gunicorn.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.app = app;
        self
    }

    /// Gives the core this database instead of an SQLite file of its own.
    #[must_use]
    pub fn database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self
    }

    /// The text of `limits.toml`, instead of [`GENEROUS_LIMITS`].
    #[must_use]
    pub fn limits(mut self, text: &str) -> Self {
        text.clone_into(&mut self.limits);
        self
    }

    /// Sets a variable of the example app's environment.
    #[must_use]
    pub fn app_environment(mut self, key: &str, value: &str) -> Self {
        self.app_environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets what the proxies log, in the words of `RUST_LOG`.
    #[must_use]
    pub const fn proxy_log(mut self, filter: &'static str) -> Self {
        self.proxy_log = Some(filter);
        self
    }

    /// Changes the core's configuration before it starts.
    #[must_use]
    pub fn core(mut self, edit: impl FnOnce(&mut Table) + 'static) -> Self {
        self.core_edits.push(Box::new(edit));
        self
    }

    /// Changes the proxy's configuration before it starts.
    #[must_use]
    pub fn proxy(mut self, edit: impl FnOnce(&mut Table) + 'static) -> Self {
        self.proxy_edits.push(Box::new(edit));
        self
    }

    /// Gives `/admin` to core's own panel instead of the app's.
    #[must_use]
    pub fn core_panel(self) -> Self {
        self.proxy(|file| {
            crate::config::route(file, "/admin").insert("upstream".into(), "core".into());
        })
    }

    /// Starts this many proxies before the one core, at most three.
    #[must_use]
    pub const fn proxies(mut self, count: usize) -> Self {
        self.proxies = count;
        self
    }

    /// Starts everything and waits until it is ready.
    ///
    /// # Panics
    /// When a part does not start; the message shows the end of its log.
    #[must_use]
    pub fn start(self) -> Stack {
        let folder = TestFolder::new();
        let ports = PortBlock::claim();
        let var = folder.path().to_owned();
        make_secrets(&var);
        let app_address = match &self.app {
            App::Django(_) => ports.address(4),
            App::At(address) => address.clone(),
        };
        let mut environment = vec![
            (
                "IGNY8_EDGE_SECRET_FILE".to_owned(),
                path_text(&var.join("secrets/edge_app")),
            ),
            (
                "DJANGO_SECRET_KEY_FILE".to_owned(),
                path_text(&var.join("secrets/django_key")),
            ),
        ];
        environment.extend(self.app_environment);
        let django = Django {
            database: var.join("db/app.sqlite3"),
            address: app_address.clone(),
            environment,
        };
        let mut core_file = core_config(&ports, &var, self.database.as_deref());
        let mut proxy_file = proxy_config(&ports, &var, &app_address);
        self.core_edits.into_iter().for_each(|edit| edit(&mut core_file));
        self.proxy_edits.into_iter().for_each(|edit| edit(&mut proxy_file));
        write(&var.join("run/core.toml"), &core_file.to_string());
        let proxies: Vec<Doorway> = (0..self.proxies).map(|number| doorway(&ports, number)).collect();
        for (number, doorway) in proxies.iter().enumerate() {
            set(&mut proxy_file, "listen.public", doorway.public.as_str());
            set(&mut proxy_file, "listen.ops", doorway.ops.as_str());
            let path = var.join(format!("run/{}.toml", proxy_name(number)));
            write(&path, &proxy_file.to_string());
        }
        write(&var.join("limits.toml"), &self.limits);
        let stack = Stack {
            public: ports.address(0),
            ops: ports.address(1),
            proxies,
            core: ports.address(2),
            internal: ports.address(3),
            app: app_address,
            django,
            server: match self.app {
                App::Django(server) => Some(server),
                App::At(_) => None,
            },
            tls: proxy_file["listen"].get("tls").is_some(),
            proxy_log: self.proxy_log,
            parts: Mutex::default(),
            var,
            _folder: folder,
            _ports: ports,
        };
        stack.start();
        stack
    }
}

fn make_secrets(var: &Path) {
    for name in ["secrets", "keys", "db", "mail", "run", "log"] {
        let folder = var.join(name);
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        set_mode(&folder, 0o700);
    }
    // Not secret at all, but in the form of the real ones: every stack is reachable from this machine only.
    for (name, digits) in [("edge_app", "0a"), ("internal_token", "0b"), ("django_key", "0c")] {
        write(&var.join("secrets").join(name), &format!("{}\n", digits.repeat(32)));
    }
}

fn core_config(ports: &PortBlock, var: &Path, database: Option<&str>) -> Table {
    let mut file = crate::config::read("core.toml");
    let own = format!("sqlite://{}", var.join("db/core.sqlite3").display());
    set(&mut file, "database.url", database.unwrap_or(&own));
    set(&mut file, "listen.public", ports.address(2));
    set(&mut file, "listen.internal", ports.address(3));
    set(&mut file, "tokens.keys_dir", path_text(&var.join("keys")));
    set(
        &mut file,
        "internal.token_file",
        path_text(&var.join("secrets/internal_token")),
    );
    set(&mut file, "secrets.key_file", path_text(&var.join("secrets/core_key")));
    set(&mut file, "mail.folder", path_text(&var.join("mail")));
    set(&mut file, "mail.public_url", format!("http://{}", ports.address(0)));
    set(&mut file, "server.grace_seconds", 1);
    // Argon2 as cheap as it goes: tests sign hundreds of people up, and none of these passwords outlives its test.
    set(&mut file, "passwords.memory_kib", 64);
    set(&mut file, "passwords.iterations", 1);
    file
}

fn proxy_config(ports: &PortBlock, var: &Path, app: &str) -> Table {
    let mut file = crate::config::read("proxy.toml");
    set(&mut file, "server.threads", 2);
    set(&mut file, "server.grace_seconds", 1);
    set(&mut file, "server.limits_file", path_text(&var.join("limits.toml")));
    set(&mut file, "upstream.app.address", app);
    set(
        &mut file,
        "upstream.app.edge_secret_file",
        path_text(&var.join("secrets/edge_app")),
    );
    set(&mut file, "upstream.core.address", ports.address(2));
    // No front end is built for these tests: pages are the app's.
    crate::config::route(&mut file, "/").insert("upstream".into(), "app".into());
    // The fault that most of these tests are about comes from the app's own panel; see `Builder::core_panel`.
    crate::config::route(&mut file, "/admin").insert("upstream".into(), "app".into());
    set(&mut file, "core.internal", format!("http://{}", ports.address(3)));
    set(
        &mut file,
        "core.token_file",
        path_text(&var.join("secrets/internal_token")),
    );
    set(
        &mut file,
        "sessions.app_introspection",
        format!("http://{app}/internal/session/"),
    );
    set(
        &mut file,
        "issuer.0.jwks_url",
        format!("http://{}/.well-known/jwks.json", ports.address(3)),
    );
    file
}

/// The first proxy has the ports that the plan gives it; the others have what is left of the block.
fn doorway(ports: &PortBlock, number: usize) -> Doorway {
    let first = if number == 0 {
        0
    } else {
        4 + 2 * u16::try_from(number).unwrap_or(u16::MAX)
    };
    Doorway {
        public: ports.address(first),
        ops: ports.address(first + 1),
    }
}

/// The name of a proxy's configuration and log.
pub(super) fn proxy_name(number: usize) -> String {
    if number == 0 {
        "proxy".to_owned()
    } else {
        format!("proxy-{number}")
    }
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
