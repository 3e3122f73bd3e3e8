//! Puts the proxy together and runs it.

use crate::config::{AccessLog as LogTarget, Config, ConfigError, Flags, KeysFrom};
use crate::directory::client::HttpClient;
use crate::directory::core::CoreClient;
use crate::directory::follow::Follower;
use crate::directory::keys::Keys;
use crate::directory::sessions::{AppSource, SessionSources};
use crate::directory::standing::Directory;
use crate::facts::RequestIds;
use crate::front::Front;
use crate::gate::Gate;
use crate::gateway::Gateway;
use crate::listening::{Door, Doors, Sockets};
use crate::ops::Ops;
use crate::reload::{Chores, Signals, write_access_log};
use crate::takeover::{self, Addresses, TakeoverError, Upgrades};
use crate::telemetry::{AccessLog, Metrics};
use crate::throttle::{DEFAULT_MAX_BUCKETS, LimitsError, Live, Throttle};
use crate::tls::{Certificates, TlsError};
use crate::tokens::{DEFAULT_CACHE_MAX, JwksUrl, KeyFile, KeySource, KeyStore, Tokens, Trusted};
use igny8_contract::random::Random;
use igny8_contract::time::{Clock, SystemClock};
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pingora::listeners::tls::TlsSettings;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening::Service;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use thiserror::Error;

/// More idle connections than requests are ever under way at once, else each request opens its own.
const UPSTREAM_POOL: usize = 1024;
/// Bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Why the proxy cannot run.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Limits(#[from] LimitsError),
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("listen.tls: {0}")]
    Listener(String),
    #[error("--upgrade: {0}")]
    Takeover(#[from] TakeoverError),
    #[error("cannot keep the listening sockets: {0}")]
    Sockets(std::io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// The machine's random source.
#[derive(Debug, Clone, Copy)]
struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's random source is read"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Nothing that is guessable may ever be handed out.
            std::process::abort();
        }
    }
}

/// Opens the limits that a configuration refers to; also a check of both.
///
/// # Errors
/// What is wrong with the file, or the scope that a route names and the file lacks.
pub fn open_limits(config: &Config, clock: Arc<dyn Clock>) -> Result<Live, LimitsError> {
    let scopes: Vec<&str> = config
        .routes
        .all()
        .iter()
        .filter_map(|route| route.scope.as_deref())
        .collect();
    Live::open(&config.limits_file, &scopes, clock)
}

/// A client of the core's internal listener.
pub fn core_client(config: &Config, client: HttpClient) -> CoreClient {
    let core = &config.core;
    CoreClient::new(client, core.base.clone(), core.authorization.clone(), core.timeout)
}

/// The issuers of a configuration, with no keys yet.
pub fn tokens(config: &Config, client: &HttpClient, clock: &Arc<dyn Clock>) -> Tokens {
    let trusted = config.issuers.iter().map(|issuer| {
        let file = |path: &Path, private| {
            Arc::new(KeyFile {
                path: path.to_owned(),
                private,
            }) as Arc<dyn KeySource>
        };
        let source = match &issuer.keys {
            KeysFrom::Url(url) => Arc::new(JwksUrl {
                client: client.clone(),
                url: url.clone(),
                deadline: config.core.timeout,
            }),
            KeysFrom::File(path) => file(path, false),
            KeysFrom::Secret(path) => file(path, true),
        };
        Trusted {
            issuer: issuer.issuer.clone(),
            keys: KeyStore::new(
                &issuer.name,
                issuer.form.clone(),
                source,
                Arc::clone(clock),
                issuer.stale_max,
            ),
        }
    });
    Tokens::new(trusted.collect(), DEFAULT_CACHE_MAX)
}

fn gate(
    mut config: Config,
    client: &HttpClient,
    clock: &Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<Gate, ServeError> {
    let limits = open_limits(&config, Arc::clone(clock))?;
    let scopes = config
        .routes
        .all()
        .iter()
        .map(|route| route.scope.as_deref().and_then(|name| limits.scope_id(name)))
        .collect();
    let core = core_client(&config, client.clone());
    let app = config.sessions.app_introspection.clone().map(|url| AppSource {
        client: client.clone(),
        url,
        key: config.sessions.introspection_key.clone(),
        deadline: config.core.timeout,
    });
    let (mut memory_seed, mut id_seed) = ([0; 32], [0; 16]);
    random.fill(&mut memory_seed);
    random.fill(&mut id_seed);
    let tokens = tokens(&config, client, clock);
    Ok(Gate {
        ids: RequestIds::new(id_seed),
        tokens,
        directory: Directory::new(core.clone(), config.core.stale_max, Arc::clone(clock)),
        keys: Keys::new(Arc::new(core.clone()), config.core.stale_max, Arc::clone(clock)),
        sessions: SessionSources::new(core, app, Arc::clone(clock), config.sessions.memory, &memory_seed),
        throttle: Throttle::new(DEFAULT_MAX_BUCKETS),
        shared_throttle: config.shared_throttle.take(),
        limits,
        scopes,
        metrics: Metrics::new(&config.routes),
        access_log: AccessLog::new(config.access_log == LogTarget::Off),
        draining: AtomicBool::new(false),
        drain: tokio::sync::Notify::new(),
        in_flight: AtomicUsize::new(0),
        connections: AtomicUsize::new(0),
        clock: Arc::clone(clock),
        config,
    })
}

/// Runs the proxy until a signal ends it, or another proxy takes its place; with `upgrade`, in the place of the one that runs.
///
/// # Errors
/// When something that it needs is wrong or taken; never after it has begun to serve.
pub fn serve(config: Config, upgrade: bool) -> Result<(), ServeError> {
    let metrics = PrometheusBuilder::new()
        .set_buckets(&LATENCY_BUCKETS)?
        .install_recorder()?;
    let addresses = Addresses {
        public: config.public,
        ops: config.ops,
    };
    // pingora ends the process without a word when an address is taken, so it is given sockets.
    let (sockets, line) = if upgrade {
        let taken = takeover::ask(addresses)?;
        (taken.sockets, Some(taken.line))
    } else {
        let sockets = Sockets::bind(addresses).map_err(|(address, source)| ServeError::Listen { address, source })?;
        (sockets, None)
    };
    show(config.flags);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let certificates = config.tls.clone().map(Certificates::open).transpose()?.map(Arc::new);
    let (client, client_service) = HttpClient::new();
    let (feed_client, feed_client_service) = HttpClient::new();
    let gate = Arc::new(gate(config, &client, &clock, &SystemRandom)?);
    write_access_log(&gate).map_err(ServeError::Thread)?;
    let mut server = Server::new_with_opt_and_conf(None, server_conf(&gate.config));
    server.bootstrap();
    server.add_service(background_service("client", client_service));
    server.add_service(background_service("feed client", feed_client_service));
    let core = core_client(&gate.config, feed_client);
    server.add_service(background_service("feed", Follower::new(Arc::clone(&gate), core)));
    server.add_service(background_service(
        "chores",
        Chores::new(Arc::clone(&gate), metrics.clone(), certificates.clone()),
    ));
    let doors = Arc::new(Doors::default());
    let kept = sockets.try_clone().map_err(ServeError::Sockets)?;
    let public = public_service(&gate, certificates, &server)?;
    server.add_service(Door::new(public, sockets.public, &doors));
    server.add_service(Door::new(ops_service(&gate, metrics), sockets.ops, &doors));
    tracing::info!(public = %gate.config.public, ops = %gate.config.ops, upgrade, "serving");
    let upgrades = Arc::new(Upgrades::new(Arc::clone(&gate), doors));
    upgrades.begin(kept, line).map_err(ServeError::Thread)?;
    server.run(RunArgs {
        shutdown_signal: Box::new(Signals::new(gate, Arc::clone(&upgrades))),
    });
    upgrades.take_failure().map_or(Ok(()), |failure| Err(failure.into()))
}

/// Says loudly that an emergency flag is off.
fn show(flags: Flags) {
    for (flag, on, means) in flags.all() {
        gauge!("igny8_flag", "flag" => flag).set(f64::from(u8::from(on)));
        if !on {
            tracing::warn!(flag, means, "AN EMERGENCY FLAG IS OFF");
        }
    }
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: config.threads,
        work_stealing: true,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        // One try, and one more on a new connection where the request can be repeated.
        max_retries: 2,
        // Counted in instructions, tokio's own timers are cheaper than the shared ones for these few per request.
        fast_timeout_to_tokio_threshold_seconds: Some(0),
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    }
}

fn public_service(
    gate: &Arc<Gate>,
    certificates: Option<Arc<Certificates>>,
    server: &Server,
) -> Result<Service<Front>, ServeError> {
    let mut proxy = pingora::proxy::http_proxy(&server.configuration, Gateway::new(Arc::clone(gate)));
    proxy.handle_init_modules();
    let mut service = Service::new("public".into(), Front::new(Arc::clone(gate), Arc::new(proxy)));
    // The front and pingora's body readers have buffers of their own; one more would be 64 KiB for every idle connection.
    let buffers = L4BufferSettings::default().read(0);
    let mut listener = ListenerConfig::tcp(gate.config.public.to_string()).l4_buffer(buffers);
    if let Some(certificates) = certificates {
        // The paths stand for nothing: the resolver goes before them.
        let mut settings =
            TlsSettings::intermediate("", "").map_err(|error| ServeError::Listener(error.to_string()))?;
        settings.set_cert_resolver(certificates);
        settings.enable_h2();
        listener = listener.tls(settings);
    }
    service.add_listener(listener);
    Ok(service)
}

fn ops_service(gate: &Arc<Gate>, metrics: PrometheusHandle) -> Service<Ops> {
    let mut service = Service::new("ops".into(), Ops::new(Arc::clone(gate), metrics));
    service.add_tcp(&gate.config.ops.to_string());
    service.threads = Some(1);
    service
}
