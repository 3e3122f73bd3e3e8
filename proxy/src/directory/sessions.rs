//! Where sessions come from, and how they are looked up and ended there: core's own panel, and the app's.

use super::client::{ClientError, HttpClient};
use super::core::{CoreClient, read};
use super::mirror::digest_of;
use crate::edge::EdgeKey;
use crate::policy::session::Found;
use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use igny8_contract::edge::{EdgeFields, INTROSPECTION_RULE};
use igny8_contract::headers;
use igny8_contract::messages::{SessionFacts, SessionQuery};
use igny8_contract::time::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than a look-up it is remembered that a session has ended: longer than an answer may take.
const ENDED_LONGER: Duration = Duration::from_secs(10);
/// How many sessions are remembered.
const MAX_REMEMBERED: u64 = 50_000;

/// What both sources said of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub core: Found,
    /// Silence where no app answers for sessions would count as an outage, so there it is "nobody".
    pub app: Found,
}

impl Sighting {
    /// Whether any source named a superuser.
    #[must_use]
    pub fn is_superuser(&self) -> bool {
        self.core.is_superuser() || self.app.is_superuser()
    }

    /// Whose session it is, when exactly one source knows it and none is silent.
    #[must_use]
    pub fn only(&self) -> Option<&SessionFacts> {
        let (Found::Facts(core), Found::Facts(app)) = (&self.core, &self.app) else {
            return None;
        };
        match (core.authenticated, app.authenticated) {
            (true, false) => Some(core),
            (false, true) => Some(app),
            (true, true) | (false, false) => None,
        }
    }

    /// Whether a source did not answer.
    fn is_incomplete(&self) -> bool {
        self.core == Found::Silent || self.app == Found::Silent
    }

    /// Whether a source that might have named a superuser did not answer.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        !self.is_superuser() && (self.core == Found::Silent || self.app == Found::Silent)
    }
}

/// The app's introspection URL: `GET` with the cookie tells whose session it is, `DELETE` ends it.
#[derive(Debug)]
pub struct AppSource {
    pub client: HttpClient,
    pub url: Uri,
    /// Derived from the app's edge secret for this purpose; nothing where the app has none.
    pub key: Option<EdgeKey>,
    pub deadline: Duration,
}

/// Both sources, and a short memory of what they said.
pub struct SessionSources {
    core: CoreClient,
    app: Option<AppSource>,
    clock: Arc<dyn Clock>,
    memory: moka::future::Cache<[u8; 32], Sighting>,
    /// Sessions of core's panel of which the change feed told that they have ended, by the SHA-256 of their value: what is
    /// remembered of them, or is being answered, is not used.
    ended: moka::sync::Cache<[u8; 32], ()>,
    /// Sessions are remembered by keyed hash, so that a memory dump holds none.
    memory_key: hmac::Key,
}

impl std::fmt::Debug for SessionSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionSources")
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

impl SessionSources {
    /// `memory_seed` is random and known to this process alone.
    #[must_use]
    pub fn new(
        core: CoreClient,
        app: Option<AppSource>,
        clock: Arc<dyn Clock>,
        lifetime: Duration,
        memory_seed: &[u8; 32],
    ) -> Self {
        let memory = moka::future::Cache::builder()
            .max_capacity(MAX_REMEMBERED)
            .time_to_live(lifetime)
            .build();
        let ended = moka::sync::Cache::builder()
            .max_capacity(MAX_REMEMBERED)
            .time_to_live(lifetime + ENDED_LONGER)
            .build();
        Self {
            core,
            app,
            clock,
            memory,
            ended,
            memory_key: hmac::Key::new(hmac::HMAC_SHA256, memory_seed),
        }
    }

    /// What is remembered of a session.
    pub async fn remembered(&self, cookie: &str, session: &str) -> Option<Sighting> {
        let sighting = self.memory.get(&self.digest(cookie, session)).await?;
        Some(self.without_ended(session, sighting))
    }

    /// Takes note that a session of core's panel has ended: the SHA-256 of its cookie's value, in hexadecimal digits.
    pub fn forget(&self, digest: &str) {
        if let Some(digest) = digest_of(digest) {
            self.ended.insert(digest, ());
        }
    }

    /// What was seen, but for what the change feed has told since.
    fn without_ended(&self, session: &str, mut sighting: Sighting) -> Sighting {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, session.as_bytes());
        let ended = <[u8; 32]>::try_from(digest.as_ref()).is_ok_and(|digest| self.ended.contains_key(&digest));
        if ended && matches!(sighting.core, Found::Facts(_)) {
            sighting.core = Found::Facts(SessionFacts::default());
        }
        sighting
    }

    /// Asks both sources, once for all who ask at the same time. Silence is not remembered.
    pub async fn look_up(&self, cookie: &str, session: &str) -> Sighting {
        let asked = self.memory.try_get_with(self.digest(cookie, session), async {
            let sighting = self.ask(cookie, session).await;
            if sighting.is_incomplete() {
                Err(sighting)
            } else {
                Ok(sighting)
            }
        });
        let sighting = match asked.await {
            Ok(sighting) => sighting,
            Err(silent) => Sighting::clone(&silent),
        };
        self.without_ended(session, sighting)
    }

    /// Asks both sources, whatever is remembered, and remembers what they say. Silence is not remembered.
    pub async fn look_up_now(&self, cookie: &str, session: &str) -> Sighting {
        let sighting = self.ask(cookie, session).await;
        if !sighting.is_incomplete() {
            self.memory.insert(self.digest(cookie, session), sighting.clone()).await;
        }
        sighting
    }

    async fn ask(&self, cookie: &str, session: &str) -> Sighting {
        let query = SessionQuery {
            session: session.to_owned(),
        };
        let app = async {
            match &self.app {
                Some(app) => app
                    .ask(cookie, session, self.clock.now().unix_seconds())
                    .await
                    .map_or(Found::Silent, Found::Facts),
                None => Found::Facts(Default::default()),
            }
        };
        let (core, app) = tokio::join!(self.core.session(&query), app);
        Sighting {
            core: core.map_or(Found::Silent, Found::Facts),
            app,
        }
    }

    /// Ends a session where it was seen and forgets it.
    ///
    /// # Errors
    /// When a source that named it does not confirm its end.
    pub async fn end(&self, cookie: &str, session: &str, seen: &Sighting) -> Result<(), ClientError> {
        let lives = |found: &Found| matches!(found, Found::Facts(facts) if facts.authenticated);
        self.end_at(cookie, session, lives(&seen.core), lives(&seen.app)).await
    }

    /// Ends a session where its source did not say whose it is: it may live there.
    ///
    /// # Errors
    /// When such a source does not confirm its end.
    pub async fn end_unseen(&self, cookie: &str, session: &str, seen: &Sighting) -> Result<(), ClientError> {
        let (at_core, at_app) = (seen.core == Found::Silent, seen.app == Found::Silent);
        self.end_at(cookie, session, at_core, at_app).await
    }

    async fn end_at(&self, cookie: &str, session: &str, at_core: bool, at_app: bool) -> Result<(), ClientError> {
        let query = SessionQuery {
            session: session.to_owned(),
        };
        let core = async {
            if at_core {
                self.core.end_session(&query).await
            } else {
                Ok(())
            }
        };
        let app = async {
            match &self.app {
                Some(app) if at_app => app.end(cookie, session, self.clock.now().unix_seconds()).await,
                _ => Ok(()),
            }
        };
        let (core, app) = tokio::join!(core, app);
        self.memory.invalidate(&self.digest(cookie, session)).await;
        core.and(app)
    }

    fn digest(&self, cookie: &str, session: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.memory_key);
        context.update(cookie.as_bytes());
        context.update(b"=");
        context.update(session.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

impl AppSource {
    async fn ask(&self, cookie: &str, session: &str, now: i64) -> Result<SessionFacts, ClientError> {
        read(
            &self
                .client
                .send(self.request(Method::GET, cookie, session, now)?, self.deadline)
                .await?,
        )
    }

    async fn end(&self, cookie: &str, session: &str, now: i64) -> Result<(), ClientError> {
        let answer = self
            .client
            .send(self.request(Method::DELETE, cookie, session, now)?, self.deadline)
            .await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(ClientError::Unreachable)
        }
    }

    fn request(
        &self,
        method: Method,
        cookie: &str,
        session: &str,
        now: i64,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let host = self.url.authority().map_or("", http::uri::Authority::as_str);
        let request_id = format!("introspection-{now}");
        let mut request = Request::builder()
            .method(&method)
            .uri(&self.url)
            .header(http::header::COOKIE, format!("{cookie}={session}"))
            .header(headers::REQUEST_ID, &request_id);
        if let Some(key) = &self.key {
            let fields = EdgeFields {
                method: method.as_str(),
                host: host.as_bytes(),
                path: self.url.path().as_bytes(),
                query: self.url.query().unwrap_or_default().as_bytes(),
                rule: INTROSPECTION_RULE,
                account: b"",
                user: b"",
                role: b"",
                request_id: request_id.as_bytes(),
                t: &now.to_string(),
            };
            let mut signature = Vec::new();
            key.sign(&fields, &mut signature);
            request = request.header(headers::EDGE, signature);
        }
        request.body(Full::default()).map_err(|_| ClientError::Unreachable)
    }
}
