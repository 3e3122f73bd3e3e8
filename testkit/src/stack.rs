//! A whole igny8 for tests: the real core on its own database, the real proxy, the example app, in a folder of their own.
//!
//! `Stack::builder().start()` is the usual one. What a test needs otherwise it says to the builder: another app server,
//! another database, limits, changed configuration. Tests that only send requests share a stack by `OnceLock`; tests that
//! stop or restart a part have their own.

mod builder;

pub use builder::{App, Builder, GENEROUS_LIMITS};

use crate::django::{self, Django};
use crate::folder::TestFolder;
use crate::http::{Request, get, post, request};
use crate::ports::PortBlock;
use crate::process::{Child, binary, repository, run};
use crate::raw::Response;
use crate::wait::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a part may take to start on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// The password of everyone who signs up here.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running igny8. Everything stops when it is dropped.
pub struct Stack {
    /// `host:port` of the proxy's public listener.
    pub public: String,
    /// Of the proxy's operations listener.
    pub ops: String,
    /// Every proxy; the first is the one above, which has no more to say than the others.
    pub proxies: Vec<Doorway>,
    /// Of the core's public listener.
    pub core: String,
    /// Of the core's internal listener.
    pub internal: String,
    /// Of the app behind the proxy.
    pub app: String,
    /// Its folder: `db`, `keys`, `log`, `mail`, `run`, `secrets`, and `limits.toml`.
    pub var: PathBuf,
    /// The example app, when it is what stands behind the proxy.
    pub django: Django,
    server: Option<django::Server>,
    /// Whether the proxy speaks TLS: then this harness's own requests go past it.
    tls: bool,
    proxy_log: Option<&'static str>,
    parts: Mutex<Parts>,
    // Dropped after the processes.
    _folder: TestFolder,
    _ports: PortBlock,
}

/// Where one of the proxies listens.
#[derive(Clone, Debug)]
pub struct Doorway {
    /// `host:port` of its public listener.
    pub public: String,
    /// Of its operations listener.
    pub ops: String,
}

#[derive(Debug, Default)]
struct Parts {
    // In the order in which they stop: the proxies before what they forward to.
    proxies: BTreeMap<usize, Child>,
    app: Option<Child>,
    core: Option<Child>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("public", &self.public)
            .field("var", &self.var)
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// The usual stack: SQLite, the example app under gunicorn, generous limits.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn start(&self) {
        std::thread::scope(|scope| {
            if let Some(server) = self.server {
                scope.spawn(move || {
                    self.django.prepare();
                    self.parts().app = Some(self.django.serve(server, &self.log("app")));
                });
            }
            run(&mut self.core_command(&["migrate", "up"]));
            run(&mut self.core_command(&["seed-plans"]));
            self.start_core();
        });
        for number in 0..self.proxies.len() {
            self.start_proxy_of(number);
        }
    }

    /// `igny8-core` with this stack's configuration.
    #[must_use]
    pub fn core_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("igny8-core"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.var.join("run/core.toml"))
            .current_dir(repository());
        command
    }

    /// Starts the core and waits until it is healthy.
    ///
    /// # Panics
    /// When it does not become so.
    pub fn start_core(&self) {
        let mut core = Child::start("igny8-core", &self.core_command(&["serve"]), &self.log("core"));
        core.wait_until("a healthy core", START_PATIENCE, || self.core_health());
        self.parts().core = Some(core);
    }

    fn core_health(&self) -> Option<()> {
        let token = std::fs::read_to_string(self.var.join("secrets/internal_token")).ok()?;
        let answer = get(&self.internal, "/internal/v1/health")
            .bearer(token.trim())
            .try_send()
            .ok()?;
        (answer.status == 200).then_some(())
    }

    /// Starts the proxy and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become so.
    pub fn start_proxy(&self) {
        self.start_proxy_of(0);
    }

    /// Starts the proxy of this number, in the place of the one that may run, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become so.
    pub fn start_proxy_of(&self, number: usize) {
        let mut proxy = self.launch_proxy(number);
        let doorway = &self.proxies[number];
        let ready = |address: &str, path: &str| {
            let answer = get(address, path).try_send().ok()?;
            (answer.status == 200).then_some(())
        };
        proxy.wait_until("a ready proxy", START_PATIENCE, || ready(&doorway.ops, "/readyz"));
        proxy.wait_until("a listening proxy", START_PATIENCE, || {
            if self.tls {
                TcpStream::connect(&doorway.public).ok().map(drop)
            } else {
                ready(&doorway.public, "/healthz")
            }
        });
        self.parts().proxies.insert(number, proxy);
    }

    /// Starts the proxy of this number and waits until it lives, be it ready or not.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_proxy_unready(&self, number: usize) {
        let mut proxy = self.launch_proxy(number);
        proxy.wait_until("a living proxy", START_PATIENCE, || {
            let doorway = &self.proxies[number];
            // The two listeners open one after the other.
            get(&doorway.public, "/healthz").try_send().ok()?;
            get(&doorway.ops, "/healthz").try_send().ok()
        });
        self.parts().proxies.insert(number, proxy);
    }

    fn launch_proxy(&self, number: usize) -> Child {
        self.kill_proxy(number);
        let name = builder::proxy_name(number);
        Child::start("igny8-proxy", &self.proxy_command(number, &["serve"]), &self.log(&name))
    }

    /// `igny8-proxy` with the configuration of the proxy of this number.
    #[must_use]
    pub fn proxy_command(&self, number: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("igny8-proxy"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.var.join(format!("run/{}.toml", builder::proxy_name(number))))
            .envs(self.proxy_log.map(|filter| ("RUST_LOG", filter)))
            .current_dir(repository());
        command
    }

    /// The first proxy's process, from now on the caller's to look after.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn take_proxy(&self) -> Child {
        let taken = self.parts().proxies.remove(&0);
        taken.unwrap_or_else(|| panic!("the proxy does not run"))
    }

    /// kill -9 of the proxy of this number.
    pub fn kill_proxy(&self, number: usize) {
        if let Some(mut proxy) = self.parts().proxies.remove(&number) {
            proxy.kill();
        }
    }

    /// Ends the proxy politely and starts it anew.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn restart_proxy(&self) {
        let old = self.parts().proxies.remove(&0);
        drop(old);
        self.start_proxy();
    }

    /// Starts the example app again after [`Self::kill_app`].
    ///
    /// # Panics
    /// When this stack has no example app, or it does not start.
    pub fn start_app(&self) {
        let server = self
            .server
            .unwrap_or_else(|| panic!("this stack has an app of the test's own"));
        let app = self.django.serve(server, &self.log("app"));
        self.parts().app = Some(app);
    }

    /// kill -9 of the core.
    pub fn kill_core(&self) {
        if let Some(mut core) = self.parts().core.take() {
            core.kill();
        }
    }

    /// kill -9 of the app and its workers.
    pub fn kill_app(&self) {
        if let Some(mut app) = self.parts().app.take() {
            app.kill();
        }
    }

    /// The id of the proxy's process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn proxy_id(&self) -> u32 {
        self.proxy_id_of(0)
    }

    /// The id of the process of the proxy of this number.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn proxy_id_of(&self, number: usize) -> u32 {
        let id = self.parts().proxies.get(&number).map(Child::id);
        id.unwrap_or_else(|| panic!("proxy {number} does not run"))
    }

    /// What the proxy has logged so far.
    #[must_use]
    pub fn proxy_log(&self) -> String {
        std::fs::read_to_string(self.log("proxy")).unwrap_or_default()
    }

    /// The proxy's metrics, as text.
    #[must_use]
    pub fn metrics(&self) -> String {
        get(&self.ops, "/metrics").send().text()
    }

    /// Saves a new `limits.toml`, as an editor does: written beside it and moved into its place.
    pub fn save_limits(&self, text: &str) {
        let beside = self.var.join("limits.toml.new");
        builder::write(&beside, text);
        std::fs::rename(&beside, self.var.join("limits.toml")).unwrap_or_else(|error| panic!("limits.toml: {error}"));
    }

    /// A GET request through the proxy.
    #[must_use]
    pub fn get(&self, target: &str) -> Request {
        get(&self.public, target)
    }

    /// A POST request through the proxy.
    #[must_use]
    pub fn post(&self, target: &str) -> Request {
        post(&self.public, target)
    }

    /// A request with any method through the proxy.
    #[must_use]
    pub fn request(&self, method: &str, target: &str) -> Request {
        request(&self.public, method, target)
    }

    /// Signs somebody new up through the proxy.
    ///
    /// # Panics
    /// When that does not answer 201 with a token.
    #[must_use]
    #[track_caller]
    pub fn sign_up(&self) -> Member {
        let email = new_address();
        let answer = self.try_sign_up(&email);
        assert_eq!(answer.status, 201, "{}", answer.text());
        Member::from(email, &answer.json())
    }

    /// Asks to sign this address up through the proxy.
    #[must_use]
    pub fn try_sign_up(&self, email: &str) -> Response {
        let address = if self.tls { &self.core } else { &self.public };
        post(address, "/api/v1/auth/register/")
            .json(&json!({ "email": email, "password": PASSWORD }))
            .send()
    }

    /// Makes a member of staff by the core's command and signs in.
    ///
    /// # Panics
    /// When either fails.
    #[must_use]
    pub fn staff(&self, superuser: bool) -> Member {
        let email = new_address();
        let mut arguments = vec![
            "staff",
            "create",
            "--email",
            &email,
            "--password-stdin",
            "--platform-role",
            "admin",
        ];
        if superuser {
            arguments.push("--superuser");
        }
        let password = self.var.join("run/password");
        builder::write(&password, &format!("{PASSWORD}\n"));
        let stdin = std::fs::File::open(&password).unwrap_or_else(|error| panic!("{error}"));
        run(self.core_command(&arguments).stdin(stdin));
        let answer = self
            .post("/api/v1/auth/login/")
            .json(&json!({ "email": email, "password": PASSWORD }))
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        Member::from(email, &answer.json())
    }

    /// Signs in to Django's admin panel through the proxy.
    ///
    /// # Panics
    /// When no session comes of it.
    #[must_use]
    #[track_caller]
    pub fn django_session(&self, name: &str) -> django::Session {
        django::sign_in(&self.public, name, "")
    }

    /// Waits until the app answers through the proxy to a request with this token.
    #[track_caller]
    pub fn wait_for_app(&self, member: &Member, limit: Duration) {
        wait_until("the app to answer through the proxy", limit, || {
            self.get("/api/v1/whoami/")
                .bearer(&member.access)
                .try_send()
                .ok()
                .filter(|answer| answer.status == 200)
        });
    }

    fn log(&self, name: &str) -> PathBuf {
        self.var.join("log").join(format!("{name}.log"))
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who has signed up or in.
#[derive(Clone, Debug)]
pub struct Member {
    pub email: String,
    /// The access token.
    pub access: String,
    pub account_id: i64,
    pub user_id: i64,
    /// The whole `data` of the answer.
    pub data: Value,
}

impl Member {
    #[track_caller]
    fn from(email: String, answer: &Value) -> Self {
        let data = answer["data"].clone();
        let access = data["access"]
            .as_str()
            .unwrap_or_else(|| panic!("no access token in {answer}"))
            .to_owned();
        let number = |of: &str| {
            data[of]["id"]
                .as_i64()
                .unwrap_or_else(|| panic!("no {of}.id in {answer}"))
        };
        Self {
            email,
            access,
            account_id: number("account"),
            user_id: number("user"),
            data,
        }
    }
}

/// An e-mail address that nobody has used.
#[must_use]
pub fn new_address() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("person-{}@example.com", COUNT.fetch_add(1, Ordering::Relaxed))
}
