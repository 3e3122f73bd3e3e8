//! A Redis server of the test run's own, on a free port of 127.0.0.1, that keeps nothing on disk.
//!
//! Made from the system's package. The kernel ends it with the test process, however that ends.

use crate::folder::TestFolder;
use crate::ports::PortBlock;
use crate::process::Child;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// A running server.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    ports: PortBlock,
    folder: TestFolder,
}

impl Redis {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// Where no Redis is installed, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        let (ports, folder) = (PortBlock::claim(), TestFolder::new());
        let child = serve(&ports, &folder);
        Self { child, ports, folder }
    }

    /// Its `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.ports.address(0)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again, empty, on the same port.
    pub fn restart(&mut self) {
        self.child.kill();
        self.child = serve(&self.ports, &self.folder);
    }

    /// Sends it a signal by name, such as `STOP` for a server that hangs.
    pub fn signal(&self, signal: &str) {
        self.child.signal(signal);
    }
}

fn serve(ports: &PortBlock, folder: &TestFolder) -> Child {
    let address = ports.address(0);
    let port = address.rsplit(':').next().unwrap_or_default();
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .current_dir(folder.path());
    let mut child = Child::start("redis-server", &command, &folder.path().join("redis.log"));
    child.wait_until("a Redis that answers", Duration::from_secs(20), || ping(&address));
    child
}

fn ping(address: &str) -> Option<()> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    connection.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 7];
    connection.read_exact(&mut answer).ok()?;
    (answer == *b"+PONG\r\n").then_some(())
}
