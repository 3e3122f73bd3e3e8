//! The one HTTP client of the proxy for its own questions: it lives on a runtime of its own and is asked by channel.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

/// An answer may be this long.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// How many questions may be on their way at once.
const MAX_IN_FLIGHT: usize = 256;
/// App servers close idle connections after about two seconds; ours go before that.
const IDLE: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    #[error("not reachable")]
    Unreachable,
    #[error("no answer in time")]
    Timeout,
    #[error("too many questions on their way")]
    Busy,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

type Reply = oneshot::Sender<Result<Answer, ClientError>>;

struct Job {
    request: Request<Full<Bytes>>,
    deadline: Duration,
    reply: Reply,
}

/// A handle to ask with; cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    jobs: mpsc::Sender<Job>,
}

impl HttpClient {
    /// A handle, and the service that answers it.
    #[must_use]
    pub fn new() -> (Self, ClientService) {
        let (jobs, inbox) = mpsc::channel(MAX_IN_FLIGHT);
        (
            Self { jobs },
            ClientService {
                inbox: Mutex::new(inbox),
            },
        )
    }

    /// Asks, and waits at most `deadline` for the whole answer.
    ///
    /// # Errors
    /// See [`ClientError`]; an answer with an error status is an answer.
    pub async fn send(&self, request: Request<Full<Bytes>>, deadline: Duration) -> Result<Answer, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.jobs
            .try_send(Job {
                request,
                deadline,
                reply,
            })
            .map_err(|_| ClientError::Busy)?;
        answer.await.map_err(|_| ClientError::Unreachable)?
    }
}

/// The background service that owns the connections.
pub struct ClientService {
    inbox: Mutex<mpsc::Receiver<Job>>,
}

impl std::fmt::Debug for ClientService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientService")
    }
}

#[async_trait]
impl BackgroundService for ClientService {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector());
        let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let mut inbox = self.inbox.lock().await;
        loop {
            let job = tokio::select! {
                job = inbox.recv() => job,
                _ = shutdown.changed() => None,
            };
            let Some(job) = job else { return };
            let Ok(place) = places.clone().try_acquire_owned() else {
                // Whoever asked may have gone; nobody is left to tell then.
                drop(job.reply.send(Err(ClientError::Busy)));
                continue;
            };
            let client = client.clone();
            tokio::spawn(async move {
                let answer = tokio::time::timeout(job.deadline, ask(&client, job.request));
                let answer = answer.await.unwrap_or(Err(ClientError::Timeout));
                drop(job.reply.send(answer));
                drop(place);
            });
        }
    }
}

/// Connects by HTTP, and by HTTPS where a URL says so, with the certificate authorities that this machine trusts
/// (`SSL_CERT_FILE` names others).
fn connector() -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(Arc::clone(&provider));
    let tls = tls.or_else(|error| {
        // A machine that trusts nobody can still ask by HTTP; by HTTPS every certificate is then refused.
        tracing::warn!(%error, "no certificate authorities were found: nothing can be fetched by HTTPS");
        let trusts_nobody = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|versions| {
                versions
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth()
            });
        trusts_nobody.map(|config| HttpsConnectorBuilder::new().with_tls_config(config))
    });
    // Only a provider without any cipher suite could fail here, and this one has them.
    let tls = tls.unwrap_or_else(|_| std::process::abort());
    tls.https_or_http().enable_http1().wrap_connector(http)
}

async fn ask(
    client: &Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ClientError> {
    let (parts, body) = client
        .request(request)
        .await
        .map_err(|_| ClientError::Unreachable)?
        .into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES)
        .collect()
        .await
        .map_err(|_| ClientError::Unreachable)?;
    Ok(Answer {
        status: parts.status,
        body: body.to_bytes(),
    })
}
