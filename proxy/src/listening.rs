//! The listening sockets, and when connections are accepted from them: bound before anything else is done, or taken over
//! from a proxy that runs; accepted from once this proxy may serve, and until another one has them.

use crate::takeover::Addresses;
use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use tokio::sync::watch;

/// Both listening sockets.
#[derive(Debug)]
pub struct Sockets {
    pub public: TcpListener,
    pub ops: TcpListener,
}

impl Sockets {
    /// Binds both.
    ///
    /// # Errors
    /// The address that cannot be had, and why.
    pub fn bind(addresses: Addresses) -> Result<Self, (SocketAddr, io::Error)> {
        let bind = |address| TcpListener::bind(address).map_err(|error| (address, error));
        Ok(Self {
            public: bind(addresses.public)?,
            ops: bind(addresses.ops)?,
        })
    }

    /// Where they listen.
    ///
    /// # Errors
    /// When the machine does not say it: one of them is no listening socket.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            public: self.public.local_addr()?,
            ops: self.ops.local_addr()?,
        })
    }

    /// The same two sockets once more.
    ///
    /// # Errors
    /// When this process may have no more files open.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            public: self.public.try_clone()?,
            ops: self.ops.try_clone()?,
        })
    }
}

/// Whether this proxy accepts connections.
#[derive(Debug)]
pub struct Doors {
    open: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

impl Default for Doors {
    /// Not yet open.
    fn default() -> Self {
        Self {
            open: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        }
    }
}

impl Doors {
    /// Begins to accept.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Accepts no further connection; those that are there go on.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// One listening socket with the service behind it.
pub struct Door<S> {
    service: S,
    socket: Option<TcpListener>,
    opened: watch::Receiver<bool>,
    closed: watch::Receiver<bool>,
}

impl<S> std::fmt::Debug for Door<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl<S> Door<S> {
    /// The service must have been given the address at which the socket listens, and no other.
    #[must_use]
    pub fn new(service: S, socket: TcpListener, doors: &Doors) -> Self {
        Self {
            service,
            socket: Some(socket),
            opened: doors.open.subscribe(),
            closed: doors.closed.subscribe(),
        }
    }
}

#[async_trait]
impl<S: Service> Service for Door<S> {
    async fn start_service(&mut self, fds: Option<ListenFds>, _shutdown: ShutdownWatch, listeners_per_fd: usize) {
        // pingora looks there for sockets that it need not bind; the key is the address as it was added.
        if let (Some(fds), Some(socket), Some([address])) =
            (&fds, self.socket.take(), self.service.listen_addresses().as_deref())
        {
            if let Err(error) = socket.set_nonblocking(true) {
                return tracing::error!(%error, address, "a listening socket cannot be used");
            }
            fds.lock().add(address.clone(), socket.into_raw_fd());
        }
        if self.opened.wait_for(|open| *open).await.is_ok() {
            let closed = self.closed.clone();
            self.service.start_service(fds, closed, listeners_per_fd).await;
        }
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
