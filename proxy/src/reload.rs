//! What goes on beside the requests: limits reread, key sets refreshed, old copies swept, the log written, signals heard.

use crate::gate::{Gate, READY_EVERY};
use crate::takeover::{Over, Upgrades};
use crate::tls::Certificates;
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::background::BackgroundService;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How often `limits.toml` is looked at: a change holds within two seconds.
const LIMITS_EVERY: Duration = Duration::from_millis(500);
/// How often the certificate's files are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(1);
/// How often a key set is fetched anew at least, so that a key that was taken away goes.
const KEYS_EVERY: Duration = Duration::from_secs(30);
/// How often it is tried while there is none.
const FIRST_KEYS_EVERY: Duration = Duration::from_millis(200);
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const LOG_EVERY: Duration = Duration::from_millis(100);
/// How often a draining proxy looks whether it is done.
const DRAIN_EVERY: Duration = Duration::from_millis(20);
/// After another proxy has taken the sockets over: connections that were accepted a moment before are not counted yet, as
/// long as their TLS handshake lasts.
const SETTLE: Duration = Duration::from_secs(1);

/// The chores, as one background service.
pub struct Chores {
    gate: Arc<Gate>,
    metrics: PrometheusHandle,
    certificates: Option<Arc<Certificates>>,
}

impl std::fmt::Debug for Chores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chores")
    }
}

impl Chores {
    #[must_use]
    pub const fn new(gate: Arc<Gate>, metrics: PrometheusHandle, certificates: Option<Arc<Certificates>>) -> Self {
        Self {
            gate,
            metrics,
            certificates,
        }
    }

    async fn watch_certificates(&self) {
        let Some(certificates) = &self.certificates else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(CERTIFICATES_EVERY).await;
            // It says itself what was wrong with a bad file.
            drop(certificates.poll_once());
        }
    }

    async fn watch_limits(&self) {
        let mut reload = hangup();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LIMITS_EVERY) => drop(self.gate.limits.poll_once()),
                // The limits say themselves what was wrong with a bad file.
                () = heard(&mut reload) => drop(self.gate.limits.reload()),
            }
        }
    }

    /// Each issuer's keys by themselves: one that hangs holds up no other.
    async fn refresh_keys(&self) {
        let mut issuers = JoinSet::new();
        for place in 0..self.gate.tokens.issuers().len() {
            issuers.spawn(refresh_keys_of(Arc::clone(&self.gate), place));
        }
        issuers.join_all().await;
    }

    async fn keep_store_connected(&self) {
        match &self.gate.shared_throttle {
            Some(shared) => shared.keep_connected().await,
            None => std::future::pending().await,
        }
    }

    /// Tells the service manager once, when the proxy is ready for the first time.
    async fn tell_when_ready(&self) {
        while self.gate.waits_for().is_some() {
            tokio::time::sleep(READY_EVERY).await;
        }
        if !self.gate.draining.load(Ordering::Relaxed) {
            tell_manager(NotifyState::Ready);
        }
        std::future::pending().await
    }

    async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            let nanos = u64::try_from(self.gate.clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.gate.throttle.sweep(nanos);
            self.gate.directory.sweep();
            self.gate.keys.sweep();
            self.metrics.run_upkeep();
        }
    }
}

#[async_trait]
impl BackgroundService for Chores {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.watch_limits() => {}
            () = self.refresh_keys() => {}
            () = self.sweep() => {}
            () = self.tell_when_ready() => {}
            () = self.watch_certificates() => {}
            () = self.keep_store_connected() => {}
            _ = shutdown.changed() => {}
        }
    }
}

async fn refresh_keys_of(gate: Arc<Gate>, place: usize) {
    let keys = &gate.tokens.issuers()[place].keys;
    let mut failing = false;
    loop {
        // Said once when it begins, not again for every try.
        match keys.refresh().await {
            Err(error) if !failing => {
                tracing::warn!(issuer = keys.name(), %error, "the key set could not be fetched");
                failing = true;
            }
            Err(_) => {}
            Ok(_) => failing = false,
        }
        let ready = keys.ready(gate.clock.now());
        tokio::time::sleep(if ready {
            fetched_every(keys.stale_max())
        } else {
            FIRST_KEYS_EVERY
        })
        .await;
    }
}

/// How often a key set is fetched that serves for so long: one that fails once or twice is not too old yet.
fn fetched_every(stale_max: Duration) -> Duration {
    (stale_max / 3).clamp(FIRST_KEYS_EVERY, KEYS_EVERY)
}

/// Writes the access log from a thread of its own, so that a slow pipe holds up nobody.
pub fn write_access_log(gate: &Arc<Gate>) -> std::io::Result<()> {
    let gate = Arc::clone(gate);
    std::thread::Builder::new().name("access-log".into()).spawn(move || {
        loop {
            std::thread::sleep(LOG_EVERY);
            gate.access_log.flush(&mut std::io::stdout().lock());
        }
    })?;
    Ok(())
}

fn hangup() -> Option<Signal> {
    signal(SignalKind::hangup())
        .inspect_err(|error| tracing::error!(%error, "SIGHUP will not reload"))
        .ok()
}

/// Waits for a signal; for ever where it cannot be heard.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// SIGTERM drains: no readiness, no connection kept, until nothing is in flight or the grace is over. SIGINT ends at once.
/// Once another proxy has the sockets, this one drains as well, and for so long as it has connections.
pub struct Signals {
    gate: Arc<Gate>,
    upgrades: Arc<Upgrades>,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signals")
    }
}

impl Signals {
    #[must_use]
    pub const fn new(gate: Arc<Gate>, upgrades: Arc<Upgrades>) -> Self {
        Self { gate, upgrades }
    }

    /// Waits until nothing is in flight. One look after the flag is set sees every request that did not see the flag.
    async fn requests_are_done(&self) {
        loop {
            tokio::time::sleep(DRAIN_EVERY).await;
            if self.gate.in_flight.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    /// Waits until no client is left. Nobody who was accepted here is sent away unheard: an idle connection's next request
    /// is answered, and told to go on elsewhere.
    async fn connections_are_done(&self) {
        tokio::time::sleep(SETTLE).await;
        while self.gate.connections.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(DRAIN_EVERY).await;
        }
        self.requests_are_done().await;
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let mut terminate = signal(SignalKind::terminate()).ok();
        let mut interrupt = signal(SignalKind::interrupt()).ok();
        let mut quit = signal(SignalKind::quit()).ok();
        let handed_over = loop {
            tokio::select! {
                () = heard(&mut terminate) => break false,
                () = heard(&mut interrupt) => return ShutdownSignal::FastShutdown,
                // Elsewhere this is how an upgrade is asked for. Ending at once would be the worst answer to it.
                () = heard(&mut quit) => tracing::info!("SIGQUIT does nothing here; `serve --upgrade` asks by itself"),
                over = self.upgrades.over() => match over {
                    Over::HandedOver => break true,
                    Over::Failed => return ShutdownSignal::FastShutdown,
                },
            }
        };
        self.gate.draining.store(true, Ordering::Relaxed);
        self.gate.drain.notify_waiters();
        tracing::info!("draining");
        // Where another proxy has the sockets, the service goes on.
        if !handed_over {
            tell_manager(NotifyState::Stopping);
        }
        let done = async {
            if handed_over {
                self.connections_are_done().await;
            } else {
                self.requests_are_done().await;
            }
        };
        let in_time = tokio::time::timeout(self.gate.config.grace, done).await.is_ok();
        if !in_time && self.gate.in_flight.load(Ordering::Relaxed) > 0 {
            tracing::warn!("requests were still in flight when the grace was over");
        }
        self.gate.access_log.flush(&mut std::io::stdout().lock());
        ShutdownSignal::FastShutdown
    }
}

/// Tells the service manager, where there is one (`NOTIFY_SOCKET`). That it cannot be told never fails a proxy.
fn tell_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
