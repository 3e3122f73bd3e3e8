//! Real processes that end with the test that started them.
//!
//! A [`Child`] is stopped when it is dropped. When the whole test process ends without dropping it (a shared stack, a
//! crash, a kill -9), the kernel ends it: every child is started through `setpriv --pdeathsig`.

use crate::wait::{Deadline, wait_until};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// How long a process may take to end after a polite request, before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How many lines of a log are shown when something goes wrong.
const TAIL_LINES: usize = 40;

/// A running process, the head of its own process group.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; both its output streams are appended to `log`.
    ///
    /// # Panics
    /// When the program or `setpriv` (package util-linux) cannot be started, or the log not be written.
    #[must_use]
    pub fn start(name: &str, command: &Command, log: &Path) -> Self {
        let open = || File::options().create(true).append(true).open(log);
        let (output, errors) = match (open(), open()) {
            (Ok(output), Ok(errors)) => (output, errors),
            (Err(error), _) | (_, Err(error)) => panic!("cannot open the log {}: {error}", log.display()),
        };
        let mut wrapped = Command::new("setpriv");
        wrapped
            .args(["--pdeathsig", signal_on_death(), "--"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped.stdin(Stdio::null()).stdout(output).stderr(errors);
        std::os::unix::process::CommandExt::process_group(&mut wrapped, 0);
        let process = spawn(wrapped).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name: name.to_owned(),
            process,
            log: log.to_owned(),
        }
    }

    /// The process id, which is also the id of its process group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until `probe` gives a value, and gives up at once when the process ends.
    ///
    /// # Panics
    /// When the process ends or `limit` passes first; the message shows the end of its log.
    #[track_caller]
    pub fn wait_until<T>(&mut self, what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(value) = probe() {
                return value;
            }
            if let Some(status) = self.ended() {
                panic!("{} ended ({status}) before: {what}\n{}", self.name, self.log_tail());
            }
            assert!(
                deadline.remaining().is_some(),
                "{}: waited {limit:?} for: {what}\n{}",
                self.name,
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How the process ended; nothing while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Sends a signal (`TERM`, `HUP`, `STOP`, …) to the process itself.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, signal: &str) {
        assert!(
            send_signal(signal, &self.id().to_string()),
            "cannot send {signal} to {}",
            self.name
        );
    }

    /// kill -9, for the whole group, and waits until the process is gone.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            send_signal("KILL", &format!("-{}", self.id()));
        }
        let _gone = self.process.wait();
    }

    /// Asks the process to end, kills what is left of its group after a while, and says how it ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        if self.ended().is_none() {
            send_signal("TERM", &self.id().to_string());
            let deadline = Deadline::after(STOP_PATIENCE);
            while self.ended().is_none() && deadline.remaining().is_some() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let status = self.ended();
        if status.is_none() {
            self.kill();
        }
        status
    }

    /// Everything that the process has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines that the process has written.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a command to its end and gives back what it printed.
///
/// # Panics
/// When it cannot be started or fails; the message shows what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{printed}\n{errors}",
        output.status
    );
    printed
}

/// Whether a process of this id exists (a zombie counts as gone).
#[must_use]
pub fn is_running(id: u32) -> bool {
    // The state is the first field after the name, which stands in parentheses and may itself contain any character.
    std::fs::read_to_string(format!("/proc/{id}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
        })
        .unwrap_or(false)
}

/// Waits until no process of this id runs.
///
/// # Panics
/// When `limit` passes first.
#[track_caller]
pub fn wait_until_gone(id: u32, limit: Duration) {
    wait_until(&format!("process {id} to end"), limit, || {
        (!is_running(id)).then_some(())
    });
}

/// A binary of this workspace, found beside the running test.
///
/// # Panics
/// When it has not been built; the message says how to build it.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let path = binary_folder().join(name);
    assert!(
        path.is_file(),
        "{} is not built: run script/test, or `cargo build --workspace` first",
        path.display()
    );
    path
}

/// Where cargo puts the binaries of the build that this test belongs to.
///
/// # Panics
/// When the system does not say where the test lies.
#[must_use]
pub fn binary_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("cannot tell where this test lies: {error}"));
    // Tests lie in `deps` beside the binaries.
    let folder = test.parent().and_then(Path::parent);
    folder
        .unwrap_or_else(|| panic!("{} lies nowhere", test.display()))
        .to_owned()
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let testkit = Path::new(env!("CARGO_MANIFEST_DIR"));
    testkit.parent().unwrap_or(testkit).to_owned()
}

/// What the kernel sends a child when this process ends. Under coverage it must be able to write its counters.
fn signal_on_death() -> &'static str {
    if std::env::var_os("LLVM_PROFILE_FILE").is_some() {
        "TERM"
    } else {
        "KILL"
    }
}

fn send_signal(signal: &str, target: &str) -> bool {
    Command::new("kill")
        .args(["-s", signal, "--", target])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

type Order = (Command, Sender<io::Result<std::process::Child>>);

/// Starts a process from a thread that lives as long as this process: the kernel's death signal follows the thread that
/// started the child, and a test's thread ends long before a stack that it shares with other tests.
fn spawn(command: Command) -> io::Result<std::process::Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _asker_may_be_gone = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, result) = channel();
    spawner.send((command, answer)).map_err(io::Error::other)?;
    result.recv().map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_gone_once_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo up; exec sleep 1000"]);
        let mut child = Child::start("sleep", &command, &folder.path().join("log"));
        child.wait_until("its first line", Duration::from_secs(5), || {
            std::fs::read_to_string(folder.path().join("log"))
                .ok()
                .filter(|log| log == "up\n")
        });
        let id = child.id();
        assert!(is_running(id));
        drop(child);
        assert!(!is_running(id));
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo up; exec sleep 1000"]);
        let mut child = std::thread::spawn(move || Child::start("sleep", &command, &log))
            .join()
            .unwrap();
        child.wait_until("its first line", Duration::from_secs(5), || {
            std::fs::read_to_string(folder.path().join("log"))
                .ok()
                .filter(|log| log == "up\n")
        });
        assert!(child.ended().is_none());
    }
}
