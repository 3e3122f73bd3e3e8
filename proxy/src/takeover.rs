//! `serve --upgrade`: a new proxy takes the listening sockets over from the one that runs, and no client notices.
//!
//! The running proxy waits at a Unix socket in the kernel's abstract name space, named after its ops address: there is no
//! file that could be left behind or be put there by somebody else, and each side looks whether the other runs as the same
//! user. The new one is given the sockets, and accepts nothing before it is ready; only when it says that it serves does the
//! old one stop accepting and drain. Whatever goes wrong before that word leaves the old one at work. Never in these
//! messages: keys, tokens, or anything that the old proxy knows.

use crate::gate::{Awaited, Gate, READY_EVERY};
use crate::listening::{Doors, Sockets};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Notify;

/// How long the other side may take for a word that it only has to say.
const WORD_PATIENCE: Duration = Duration::from_secs(5);
/// How long a new proxy may take until it is ready; then it gives up, and the old one goes on.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// The words, all of one length. The first names the version of these messages.
const ASK: [u8; 8] = *b"take-1\r\n";
const SERVING: [u8; 8] = *b"serving\n";
const YOURS: [u8; 8] = *b"yours \r\n";

/// Why a running proxy could not be taken over. It goes on as if nothing had been asked.
#[derive(Debug, Error)]
pub enum TakeoverError {
    #[error("no proxy runs here with listen.ops = {0}: start this one without --upgrade")]
    NobodyThere(SocketAddr),
    #[error(
        "who waits for an upgrade of listen.ops = {ops} runs as another user (uid {theirs}, and this one is uid {ours}): start the new proxy as the user of the old one"
    )]
    OtherUser { ops: SocketAddr, theirs: u32, ours: u32 },
    #[error("the running proxy does not hand its sockets over ({0}): it hangs, or another upgrade is under way")]
    Silent(io::Error),
    #[error(
        "the running proxy listens on {}, and this configuration says {}: a change of addresses needs a restart",
        .0.theirs,
        .0.ours
    )]
    OtherAddresses(Box<OtherAddresses>),
    #[error("{} has not come within {} s: the running proxy goes on", match .0 {
        Awaited::KeySet => "core's key set",
        Awaited::Feed => "core's snapshot of its accounts",
    }, READY_PATIENCE.as_secs())]
    NotReady(Awaited),
}

/// Where a proxy listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub public: SocketAddr,
    pub ops: SocketAddr,
}

/// Two proxies that do not listen at the same addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherAddresses {
    pub theirs: Addresses,
    pub ours: Addresses,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.public, self.ops)
    }
}

/// What a proxy's upgrades need to know of it, before and after.
#[derive(Debug)]
pub struct Upgrades {
    gate: Arc<Gate>,
    doors: Arc<Doors>,
    /// Told when another proxy has the sockets, or when this one could not get them.
    over: Notify,
    failed: Mutex<Option<TakeoverError>>,
}

/// How an upgrade ended this proxy's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Another proxy has the sockets.
    HandedOver,
    /// This one could not take them over.
    Failed,
}

/// The sockets of a proxy that runs, and the line on which it waits to hear that they are served.
#[derive(Debug)]
pub struct Taken {
    pub sockets: Sockets,
    pub line: UnixStream,
}

/// Asks the proxy that runs with these addresses for its sockets.
///
/// # Errors
/// When there is none, when it is not ours, when it does not answer, or when it listens elsewhere.
pub fn ask(addresses: Addresses) -> Result<Taken, TakeoverError> {
    let mut line = name(addresses.ops)
        .and_then(|name| UnixStream::connect_addr(&name))
        .map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => TakeoverError::NobodyThere(addresses.ops),
            _ => TakeoverError::Silent(error),
        })?;
    let (theirs, ours) = users(&line).map_err(TakeoverError::Silent)?;
    if theirs != ours {
        return Err(TakeoverError::OtherUser {
            ops: addresses.ops,
            theirs,
            ours,
        });
    }
    let given = line
        .set_read_timeout(Some(WORD_PATIENCE))
        .and_then(|()| line.write_all(&ASK))
        .and_then(|()| receive(&line));
    let sockets = given.map_err(TakeoverError::Silent)?;
    let theirs = sockets.addresses().map_err(TakeoverError::Silent)?;
    if theirs != addresses {
        let other = OtherAddresses {
            theirs,
            ours: addresses,
        };
        return Err(TakeoverError::OtherAddresses(Box::new(other)));
    }
    Ok(Taken { sockets, line })
}

impl Upgrades {
    #[must_use]
    pub fn new(gate: Arc<Gate>, doors: Arc<Doors>) -> Self {
        Self {
            gate,
            doors,
            over: Notify::new(),
            failed: Mutex::default(),
        }
    }

    /// Waits until this proxy's time is over by an upgrade, well or not.
    pub async fn over(&self) -> Over {
        self.over.notified().await;
        if self.failure().is_some() {
            Over::Failed
        } else {
            Over::HandedOver
        }
    }

    /// Why this proxy could not take the sockets over, if that is so.
    pub fn take_failure(&self) -> Option<TakeoverError> {
        self.failure().take()
    }

    fn failure(&self) -> MutexGuard<'_, Option<TakeoverError>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the doors, for a proxy in an old one's place when it is ready, and waits for the one that comes after.
    ///
    /// # Errors
    /// When the machine has no thread for it.
    pub fn begin(self: &Arc<Self>, sockets: Sockets, line: Option<UnixStream>) -> io::Result<()> {
        let upgrades = Arc::clone(self);
        let run = move || match line {
            None => {
                upgrades.doors.open();
                upgrades.stand_by(&sockets);
            }
            Some(line) => match upgrades.arrive(line) {
                Ok(()) => upgrades.stand_by(&sockets),
                Err(error) => {
                    *upgrades.failure() = Some(error);
                    upgrades.over.notify_one();
                }
            },
        };
        std::thread::Builder::new().name("upgrade".into()).spawn(run).map(drop)
    }

    /// Waits until this proxy is ready, begins to serve and tells the old one.
    fn arrive(&self, mut line: UnixStream) -> Result<(), TakeoverError> {
        let gate = &self.gate;
        let deadline = gate.clock.elapsed() + READY_PATIENCE;
        while let Some(missing) = gate.waits_for() {
            if gate.clock.elapsed() > deadline {
                return Err(TakeoverError::NotReady(missing));
            }
            std::thread::sleep(READY_EVERY);
        }
        // From here on both accept, until the old one has heard it.
        self.doors.open();
        match line.write_all(&SERVING).and_then(|()| expect(&mut line, &YOURS)) {
            Ok(()) => tracing::info!("the sockets were taken over; the old proxy drains"),
            // Whoever ended it, nobody else serves them now.
            Err(error) => tracing::warn!(%error, "the old proxy has gone meanwhile; its sockets are served here"),
        }
        Ok(())
    }

    /// Waits for a new proxy; comes back when it has the sockets.
    fn stand_by(&self, sockets: &Sockets) {
        let listener = match name(self.gate.config.ops).and_then(|name| UnixListener::bind_addr(&name)) {
            Ok(listener) => listener,
            Err(error) => return tracing::warn!(%error, "this proxy cannot be taken over with --upgrade"),
        };
        let mut line = loop {
            match listener.accept().and_then(|(line, _)| offer(line, sockets)) {
                Ok(line) => break line,
                Err(error) => tracing::warn!(%error, "an upgrade was not carried out; this proxy goes on"),
            }
        };
        // The name is free before the new proxy hears that it may have it.
        drop(listener);
        self.doors.close();
        if let Err(error) = line.write_all(&YOURS) {
            tracing::warn!(%error, "the new proxy did not wait for the last word");
        }
        self.over.notify_one();
    }
}

/// Gives the sockets to whoever asks, if it is a proxy of ours; comes back when that one serves.
fn offer(mut line: UnixStream, sockets: &Sockets) -> io::Result<UnixStream> {
    let (theirs, ours) = users(&line)?;
    if theirs != ours {
        let told = format!("asked by another user (uid {theirs})");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, told));
    }
    line.set_read_timeout(Some(WORD_PATIENCE))?;
    line.set_write_timeout(Some(WORD_PATIENCE))?;
    expect(&mut line, &ASK)?;
    let (public, ops) = (sockets.public.as_fd(), sockets.ops.as_fd());
    let fds = [public, ops];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(&line, &[IoSlice::new(&YOURS)], &mut control, SendFlags::NOSIGNAL)?;
    line.set_read_timeout(Some(READY_PATIENCE + WORD_PATIENCE))?;
    expect(&mut line, &SERVING)?;
    Ok(line)
}

/// The sockets that the other side sends.
fn receive(line: &UnixStream) -> io::Result<Sockets> {
    let mut word = YOURS.map(|_| 0);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(
        line,
        &mut [IoSliceMut::new(&mut word)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut listeners = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds.map(TcpListener::from)),
        _ => None,
    });
    let mut given = listeners.next().into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(public), Some(ops)) => Ok(Sockets { public, ops }),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads this word and no other.
fn expect(line: &mut UnixStream, word: &[u8; 8]) -> io::Result<()> {
    let mut said = [0; 8];
    line.read_exact(&mut said)?;
    if said == *word {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks another language"))
    }
}

/// As which users the other side and this one run.
fn users(line: &UnixStream) -> io::Result<(u32, u32)> {
    let theirs = socket_peercred(line)?.uid;
    Ok((theirs.as_raw(), rustix::process::geteuid().as_raw()))
}

/// Where the proxy with this ops address waits for its successor.
fn name(ops: SocketAddr) -> io::Result<UnixAddress> {
    UnixAddress::from_abstract_name(format!("igny8-proxy/{ops}"))
}
