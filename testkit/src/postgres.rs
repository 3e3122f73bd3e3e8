//! A PostgreSQL server of the test run's own.
//!
//! Made from the system's packages in a folder of the machine's temporary one (the server does not run as root, and the
//! build's folder may be closed to others), on a free port of 127.0.0.1. It does not sync to disk: tests here kill the
//! core, never the machine. The kernel ends it with the test process, however that ends.

use crate::ports::PortBlock;
use crate::process::{Child, is_running, run};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where Debian and Ubuntu put the servers, one folder for each version.
const PACKAGES: &str = "/usr/lib/postgresql";

/// The user that the server runs as where the tests run as root; the packages make it.
const SERVER_USER: &str = "postgres";

/// The role that owns everything; it needs no password from this machine.
const ROLE: &str = "igny8";

const FOLDER_PREFIX: &str = "igny8-postgres-";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    programs: PathBuf,
    folder: PathBuf,
    ports: PortBlock,
}

impl Postgres {
    /// Makes a server and waits until it answers.
    ///
    /// # Panics
    /// Where no PostgreSQL is installed, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let programs = programs();
        let own = format!(
            "{FOLDER_PREFIX}{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(own);
        let _left_behind = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
        if is_root() {
            run(Command::new("chown").arg(SERVER_USER).arg(&folder));
        }
        let data = folder.join("data");
        let mut make = as_server_user(&programs.join("initdb"), &[]);
        make.arg("-D")
            .arg(&data)
            .args(["-U", ROLE, "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]);
        run(make.current_dir(&folder));
        let ports = PortBlock::claim();
        Self {
            child: serve(&programs, &folder, &ports),
            programs,
            folder,
            ports,
        }
    }

    /// kill -9, for every process of the server.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts the server again on the same data and port after [`Postgres::kill`].
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        // What a killed server leaves behind says that it still runs.
        let _left_behind = std::fs::remove_file(self.folder.join("data/postmaster.pid"));
        self.child = serve(&self.programs, &self.folder, &self.ports);
    }

    /// Makes an empty database and gives its URL, on TCP.
    ///
    /// # Panics
    /// Where there is one of this name.
    #[must_use]
    pub fn create_database(&self, name: &str) -> String {
        self.run_sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.ports.port(0))
    }

    /// Runs SQL in a database and gives back what it prints: a line for each row, columns parted by `|`.
    ///
    /// # Panics
    /// Where the SQL fails.
    pub fn run_sql(&self, database: &str, sql: &str) -> String {
        let mut client = Command::new(self.programs.join("psql"));
        client.args([
            "-X",
            "-q",
            "-t",
            "-A",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            ROLE,
        ]);
        client.args(["-p", &self.ports.port(0).to_string(), "-d", database, "-c", sql]);
        run(&mut client)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.ended().is_none() {
            // At once, whoever is connected: nothing in it is worth keeping.
            self.child.signal("QUIT");
        }
        self.child.stop();
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts the server on the data in `folder` and waits until it answers.
fn serve(programs: &Path, folder: &Path, ports: &PortBlock) -> Child {
    let mut serve = as_server_user(&programs.join("postgres"), &["--pdeathsig", "QUIT"]);
    serve.arg("-D").arg(folder.join("data")).current_dir(folder);
    serve.args(["-p", &ports.port(0).to_string(), "-k"]).arg(folder);
    for setting in [
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "full_page_writes=off",
        "shared_buffers=32MB",
        "max_connections=400",
        "autovacuum=off",
    ] {
        serve.args(["-c", setting]);
    }
    let mut child = Child::start("PostgreSQL", &serve, &folder.join("log"));
    let probe = programs.join("pg_isready");
    child.wait_until("PostgreSQL to answer", Duration::from_secs(60), || {
        let ready = Command::new(&probe)
            .args(["-q", "-h", "127.0.0.1", "-p", &ports.port(0).to_string()])
            .status();
        ready.is_ok_and(|status| status.success()).then_some(())
    });
    child
}

/// The programs of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(PACKAGES).into_iter().flatten().flatten();
    let installed = versions.filter(|version| version.path().join("bin/initdb").is_file());
    let number = |name: &std::ffi::OsStr| name.to_str().and_then(|name| name.parse::<u32>().ok());
    let newest = installed.max_by_key(|version| number(&version.file_name()));
    let newest = newest.unwrap_or_else(|| panic!("no PostgreSQL under {PACKAGES}: install the package postgresql"));
    newest.path().join("bin")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// `program` as the user of the packages where this process is root: PostgreSQL refuses to run as root.
fn as_server_user(program: &Path, on_the_way: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(on_the_way);
    if is_root() {
        command.args(["--reuid", SERVER_USER, "--regid", SERVER_USER, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Removes what servers of processes that are gone left behind.
fn sweep() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(FOLDER_PREFIX)
            .and_then(|rest| rest.split('-').next()?.parse().ok());
        if owner.is_some_and(|id| !is_running(id)) {
            let _best_effort = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_its_databases_apart_and_leaves_nothing_behind() {
        let postgres = Postgres::start();
        let url = postgres.create_database("one");
        assert!(
            url.starts_with("postgres://igny8@127.0.0.1:") && url.ends_with("/one"),
            "{url}"
        );
        let _other = postgres.create_database("other");
        postgres.run_sql("one", "CREATE TABLE only_here (id BIGINT)");
        let tables = "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'only_here'";
        assert_eq!(postgres.run_sql("one", tables), "1\n");
        assert_eq!(postgres.run_sql("other", tables), "0\n");
        let (id, folder) = (postgres.child.id(), postgres.folder.clone());
        drop(postgres);
        assert!(!is_running(id));
        assert!(!folder.exists());
    }
}
