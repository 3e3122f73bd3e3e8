//! Load on one program: connections that are kept, one request under way on each, and what a request cost it in time of
//! the processor, as the kernel accounts for it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use igny8_contract::time::{Clock, SystemClock};

/// Requests under way at once.
const CONNECTIONS: usize = 32;

/// What is asked next.
pub type Ask<'a> = Box<dyn FnMut() -> Vec<u8> + 'a>;

/// A program under load.
pub struct Target<'a> {
    pub name: &'static str,
    pub address: String,
    /// The process whose time counts, with all of its threads.
    pub process: u32,
    pub ask: Ask<'a>,
    pub status: u16,
    connections: Vec<Talk>,
}

impl<'a> Target<'a> {
    pub fn new(name: &'static str, address: &str, process: u32, status: u16, ask: Ask<'a>) -> Self {
        Self {
            name,
            address: address.to_owned(),
            process,
            ask,
            status,
            connections: Vec::new(),
        }
    }

    /// Sends requests for as long as this; nanoseconds of processor time that one request cost.
    pub fn slice(&mut self, clock: &SystemClock, length: Duration) -> f64 {
        // Whoever has waited for its turn for too long may have closed the old ones.
        self.connections.clear();
        self.round();
        let (before, end) = (processor_time(self.process), clock.elapsed() + length);
        let mut requests = 0;
        while clock.elapsed() < end {
            requests += self.round();
        }
        (processor_time(self.process) - before) as f64 / requests as f64
    }

    /// Sends this many requests.
    pub fn send(&mut self, count: usize) {
        let mut sent = 0;
        while sent < count {
            sent += self.round();
        }
    }

    /// One request on each connection.
    fn round(&mut self) -> usize {
        while self.connections.len() < CONNECTIONS {
            self.connections.push(Talk::open(&self.address));
        }
        for talk in &mut self.connections {
            talk.stream.write_all(&(self.ask)()).unwrap();
        }
        for talk in &mut self.connections {
            let (status, _) = talk.answer();
            assert_eq!(status, self.status, "{} answers", self.name);
        }
        self.connections.len()
    }
}

/// A connection that is kept.
pub struct Talk {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Talk {
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends a request and reads its answer.
    pub fn exchange(&mut self, request: &[u8]) -> (u16, String) {
        self.stream.write_all(request).unwrap();
        let (status, body) = self.answer();
        (status, String::from_utf8_lossy(body).into_owned())
    }

    /// Status and body of the next answer, which must say how long it is.
    fn answer(&mut self) -> (u16, &[u8]) {
        self.received.clear();
        let mut buffer = [0; 4096];
        loop {
            let read = self.stream.read(&mut buffer).unwrap();
            assert!(
                read > 0,
                "the connection was closed after {:?}",
                String::from_utf8_lossy(&self.received)
            );
            self.received.extend_from_slice(&buffer[..read]);
            if let Some(body) = whole_answer(&self.received) {
                let status = std::str::from_utf8(&self.received[9..12]).unwrap().parse().unwrap();
                return (status, &self.received[body..]);
            }
        }
    }
}

/// Where the body begins, once all of it is there.
fn whole_answer(received: &[u8]) -> Option<usize> {
    let body = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..body]).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.unwrap_or_else(|| panic!("no length in {head}")).parse().unwrap();
    (received.len() >= body + length).then_some(body)
}

/// How long the threads of a process have run, in nanoseconds.
fn processor_time(process: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let times = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// The memory of a process that is in use, in KiB.
pub fn resident_kib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
