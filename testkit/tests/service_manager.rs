//! What a service manager hears of proxy and core (`Type=notify`): ready when they are, and that they are ending.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::http::get;
use igny8_testkit::process::{Child, binary, repository};
use igny8_testkit::stack::Stack;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A service manager's socket.
fn manager(at: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next thing that it hears, without its line's end.
fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 64];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned()
}

fn started(name: &str, command: &mut Command, at: &Path, stack: &Stack) -> Child {
    command.env("NOTIFY_SOCKET", at);
    Child::start(name, command, &stack.var.join("log/told.log"))
}

#[test]
fn core_and_proxy_say_when_they_are_ready_and_when_they_end() {
    let stack = Stack::builder().start();
    let at = |name: &str| stack.var.join("run").join(name);
    stack.kill_proxy(0);
    stack.kill_core();

    // A proxy without a core listens, and is not ready.
    let (proxys, cores) = (manager(&at("notify-proxy")), manager(&at("notify-core")));
    let mut command = Command::new(binary("igny8-proxy"));
    command
        .args(["serve", "--config"])
        .arg(at("proxy.toml"))
        .current_dir(repository());
    let mut proxy = started("igny8-proxy", &mut command, &at("notify-proxy"), &stack);
    proxy.wait_until("a living proxy", PATIENCE, || {
        let answer = get(&stack.ops, "/readyz").try_send().ok()?;
        (answer.status == 503).then_some(())
    });
    proxys.set_nonblocking(true).unwrap();
    assert!(
        proxys.recv(&mut [0; 64]).is_err(),
        "it is not ready, and says that it is"
    );
    proxys.set_nonblocking(false).unwrap();

    let mut core = started(
        "igny8-core",
        &mut stack.core_command(&["serve"]),
        &at("notify-core"),
        &stack,
    );
    assert_eq!(heard(&cores), "READY=1");
    assert_eq!(heard(&proxys), "READY=1");
    let ready = get(&stack.ops, "/readyz").try_send().unwrap();
    assert_eq!(ready.status, 200);

    for (process, socket) in [(&mut proxy, &proxys), (&mut core, &cores)] {
        process.stop().unwrap();
        assert_eq!(heard(socket), "STOPPING=1");
    }
}
