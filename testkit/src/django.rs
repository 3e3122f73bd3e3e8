//! The example Django app: its processes, signing in to its admin panel, and looking into its session table.

use crate::http::{Request, get, post};
use crate::process::{Child, repository, run};
use crate::raw::Response;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The superuser that every prepared database has.
pub const SUPERUSER: &str = "root";
/// A member of staff who is no superuser.
pub const STAFF: &str = "clerk";
/// The password of both.
pub const PASSWORD: &str = "a long passphrase";

/// What serves the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Gunicorn,
    Waitress,
}

/// Where one app keeps what.
#[derive(Clone, Debug)]
pub struct Django {
    /// Its SQLite file.
    pub database: PathBuf,
    /// `host:port` to serve at.
    pub address: String,
    /// Further settings from the environment, see the app's README.
    pub environment: Vec<(String, String)>,
}

impl Django {
    /// Makes the tables, the superuser and the member of staff.
    ///
    /// # Panics
    /// When Django says no; the message shows what it printed.
    pub fn prepare(&self) {
        let script = format!(
            "import django; django.setup()\n\
             from django.contrib.auth.hashers import make_password\n\
             from django.core.management import call_command\n\
             call_command('migrate', verbosity=0)\n\
             from accounts.models import User\n\
             password = make_password({PASSWORD:?})\n\
             for name, superuser in [({SUPERUSER:?}, True), ({STAFF:?}, False)]:\n    \
                 User.objects.create(username=name, password=password, is_staff=True, is_superuser=superuser)\n"
        );
        run(self.python().args(["-c", &script]));
    }

    /// Starts a server for it and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn serve(&self, server: Server, log: &Path) -> Child {
        let mut command = self.python();
        match server {
            Server::Gunicorn => command.args([
                "-m",
                "gunicorn",
                "project.wsgi",
                "--bind",
                &self.address,
                "--worker-class",
                "gthread",
                "--threads",
                "8",
                "--keep-alive",
                "5",
                "--no-control-socket",
            ]),
            Server::Waitress => command.args(["-m", "waitress", "--listen", &self.address, "project.wsgi:application"]),
        };
        let mut child = Child::start("the example app", &command, log);
        child.wait_until("an answer of the app", Duration::from_secs(60), || {
            get(&self.address, "/").try_send().ok()
        });
        child
    }

    /// Whether the app's session table has a row for this session.
    ///
    /// # Panics
    /// When the database cannot be read.
    #[must_use]
    pub fn has_session(&self, session: &Session) -> bool {
        let script = "import sqlite3, sys; print(sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)\
                      .execute('SELECT COUNT(*) FROM django_session WHERE session_key = ?', [sys.argv[2]]).fetchone()[0])";
        run(Command::new(python())
            .args(["-c", script])
            .arg(&self.database)
            .arg(&session.id))
        .trim()
            == "1"
    }

    /// Python in the app's folder with the app's settings.
    fn python(&self) -> Command {
        let mut command = Command::new(python());
        command
            .current_dir(repository().join("examples/django-app"))
            .env("DJANGO_SETTINGS_MODULE", "project.settings")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("DJANGO_DB", &self.database)
            .envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }
}

/// The Python interpreter of the environment that `script/python-env` makes.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| environment(&[]).join("bin/python"))
}

/// The Python interpreter of an environment that has what a requirements file lists.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn python_with(requirements: &Path) -> PathBuf {
    environment(&[&requirements.to_string_lossy()]).join("bin/python")
}

/// The folder of the environment that `script/python-env` makes from these requirements, or from the example app's.
pub(crate) fn environment(requirements: &[&str]) -> PathBuf {
    let mut command = Command::new(repository().join("script/python-env"));
    command.current_dir(repository()).args(requirements);
    let printed = run(&mut command);
    PathBuf::from(printed.lines().last().unwrap_or_default())
}

/// A browser's session with Django's admin panel.
#[derive(Clone, Debug)]
pub struct Session {
    /// The value of `sessionid`.
    pub id: String,
    /// The value of `csrftoken`, which forms must repeat.
    pub csrf: String,
    /// The answer to the sign-in.
    pub answer: Response,
}

impl Session {
    /// The pair to put in a Cookie field.
    #[must_use]
    pub fn cookie(&self) -> String {
        format!("sessionid={}", self.id)
    }
}

/// Signs in at `/admin/login/` as a browser would that has `other_cookies` already, at the proxy's address or at the
/// app's own.
///
/// # Panics
/// When no session comes of it.
#[must_use]
#[track_caller]
pub fn sign_in(address: &str, name: &str, other_cookies: &str) -> Session {
    let with_cookies = |request: Request, cookies: &str| {
        let all: Vec<_> = [cookies, other_cookies]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        if all.is_empty() {
            request
        } else {
            request.cookie(&all.join("; "))
        }
    };
    let form = with_cookies(get(address, "/admin/login/?next=/admin/"), "").send();
    assert_eq!(form.status, 200, "{}", form.text());
    let csrf = cookie_value(&form, "csrftoken").unwrap_or_else(|| panic!("no csrftoken: {:?}", form.fields));
    let body = format!(
        "csrfmiddlewaretoken={csrf}&username={name}&password={}&next=%2Fadmin%2F",
        PASSWORD.replace(' ', "+")
    );
    let answer = with_cookies(
        post(address, "/admin/login/?next=/admin/"),
        &format!("csrftoken={csrf}"),
    )
    .field("Origin", &format!("http://{address}"))
    .body("application/x-www-form-urlencoded", body.into_bytes())
    .send();
    assert_eq!(answer.status, 302, "{}", answer.text());
    let id = cookie_value(&answer, "sessionid").unwrap_or_else(|| panic!("no sessionid: {:?}", answer.fields));
    let csrf = cookie_value(&answer, "csrftoken").unwrap_or(csrf);
    Session { id, csrf, answer }
}

/// The value that an answer gives a cookie; nothing where it expires it.
fn cookie_value(response: &Response, name: &str) -> Option<String> {
    let cookie = response
        .cookies()
        .into_iter()
        .find(|cookie| cookie.name == name && !cookie.expires_at_once())?;
    Some(cookie.value)
}
