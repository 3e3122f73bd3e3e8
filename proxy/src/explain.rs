//! `explain METHOD URL`: the steps of one request that is not sent.
//!
//! Core, app and issuers are asked as for a real request, except that nothing is ended, counted or charged: no session is
//! revoked and no bucket is touched. With `--offline` nobody is asked, and what only they know is unknown.

use crate::config::Config;
use crate::directory::client::HttpClient;
use crate::directory::core::CoreClient;
use crate::directory::keys;
use crate::directory::sessions::{AppSource, SessionSources};
use crate::policy::identity::{Grant, Identity};
use crate::policy::session::{Sessions, is_plausible};
use crate::policy::steps::{Outcome, Rules, Step, Witness, walk};
use crate::policy::{Payer, Routed};
use crate::serve::{self, ServeError};
use crate::throttle::Live;
use crate::tokens::Tokens;
use igny8_contract::api_key;
use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, SystemClock, Timestamp};
use pingora::services::background::BackgroundService;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A request as it was given on the command line.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// A URL, or a path at the first host that is served.
    pub url: String,
    /// `Name: value`, each.
    pub fields: Vec<String>,
    /// The address that the client would have.
    pub client: IpAddr,
}

impl Asked {
    /// The header block that such a request is sent with. Nothing is repaired: what is wrong with it, the steps say.
    #[must_use]
    pub fn block(&self, config: &Config) -> Vec<u8> {
        let rest = ["http://", "https://"]
            .iter()
            .find_map(|scheme| self.url.strip_prefix(scheme));
        let (host, target) = match rest {
            Some(rest) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, target) = rest.split_at(end);
                let slash = if target.starts_with('/') { "" } else { "/" };
                (host.to_owned(), format!("{slash}{target}"))
            }
            None => (config.routes.first_host(), self.url.clone()),
        };
        let mut block = format!("{} {target} HTTP/1.1\r\n", self.method);
        let names_host = |field: &String| field.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("host:"));
        if !self.fields.iter().any(names_host) {
            block.push_str(&format!("Host: {host}\r\n"));
        }
        for field in &self.fields {
            block.push_str(&format!("{field}\r\n"));
        }
        block.push_str("\r\n");
        block.into_bytes()
    }
}

/// The steps of one request, and how it ends.
///
/// # Errors
/// When the limits cannot be read or no runtime can be started.
pub fn explain(config: &Config, asked: &Asked, offline: bool) -> Result<(Vec<Step>, Outcome), ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let limits = serve::open_limits(config, Arc::clone(&clock))?;
    let runtime = Runtime::new().map_err(ServeError::Thread)?;
    let sources = (!offline).then(|| Sources::new(config, &runtime, &clock));
    let live = Witnesses {
        runtime: &runtime,
        clock: &clock,
        limits,
        client: asked.client,
        asked: sources,
    };
    let upstreams: Vec<&str> = config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    Ok(walk(&asked.block(config), rules(config, &upstreams), &live))
}

/// The rules of a configuration.
#[must_use]
pub const fn rules<'a>(config: &'a Config, upstreams: &'a [&'a str]) -> Rules<'a> {
    Rules {
        routes: &config.routes,
        cookies: &config.sessions.rules,
        upstreams,
        logout_path: config.sessions.logout_path.as_str(),
        asks_key_standing: config.flags.validate_api_key,
        secure: config.tls.is_some(),
    }
}

/// The steps as text, one a line.
#[must_use]
pub fn as_text(steps: &[Step], outcome: Outcome) -> String {
    let mut text = String::new();
    for step in steps {
        let code = match step.outcome.code() {
            "" => String::new(),
            code => format!(" {code}:"),
        };
        text.push_str(&format!(
            "{:<17} {:<8}{code} {}\n",
            step.name,
            step.outcome.as_str(),
            step.detail
        ));
    }
    text.push_str(&match outcome {
        Outcome::Passed => "=> forwarded\n".to_owned(),
        Outcome::Refused(refusal) => format!("=> refused: {} {}\n", refusal.status(), refusal.code()),
        Outcome::Answered => "=> answered here\n".to_owned(),
        Outcome::Unknown => "=> unknown\n".to_owned(),
    });
    text
}

/// The same as one JSON object.
#[must_use]
pub fn as_json(steps: &[Step], outcome: Outcome) -> String {
    let steps: Vec<_> = steps
        .iter()
        .map(|step| {
            json!({"step": step.name, "outcome": step.outcome.as_str(), "code": step.outcome.code(), "detail": step.detail})
        })
        .collect();
    let status = match outcome {
        Outcome::Refused(refusal) => Some(refusal.status()),
        Outcome::Passed | Outcome::Answered | Outcome::Unknown => None,
    };
    json!({"verdict": verdict_word(outcome), "code": outcome.code(), "status": status, "steps": steps}).to_string()
}

/// `forwarded`, `refused`, `answered` or `unknown`.
#[must_use]
pub const fn verdict_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "forwarded",
        Outcome::Refused(_) => "refused",
        Outcome::Answered => "answered",
        Outcome::Unknown => "unknown",
    }
}

/// Those who know, asked one question at a time.
struct Witnesses<'a> {
    runtime: &'a Runtime,
    clock: &'a Arc<dyn Clock>,
    limits: Live,
    client: IpAddr,
    asked: Option<Sources>,
}

struct Sources {
    tokens: Tokens,
    core: CoreClient,
    sessions: SessionSources,
}

impl Sources {
    fn new(config: &Config, runtime: &Runtime, clock: &Arc<dyn Clock>) -> Self {
        let (client, service) = HttpClient::new();
        runtime.spawn(async move {
            // Kept here, so that nothing ever shuts the service down but the runtime's end.
            let (_never, shutdown) = tokio::sync::watch::channel(false);
            service.start(shutdown).await;
        });
        let core = serve::core_client(config, client.clone());
        let app = config.sessions.app_introspection.clone().map(|url| AppSource {
            client: client.clone(),
            url,
            key: config.sessions.introspection_key.clone(),
            deadline: config.core.timeout,
        });
        Self {
            tokens: serve::tokens(config, &client, clock),
            sessions: SessionSources::new(core.clone(), app, Arc::clone(clock), Duration::ZERO, &[0; 32]),
            core,
        }
    }
}

impl Witness for Witnesses<'_> {
    fn token(&self, token: &[u8]) -> Option<Result<Arc<Identity>, Refusal>> {
        let asked = self.asked.as_ref()?;
        let Ok(text) = std::str::from_utf8(token) else {
            return Some(Err(Refusal::TokenInvalid));
        };
        match self.runtime.block_on(asked.tokens.verify(text, self.clock.now())) {
            Err(Refusal::CoreUnavailable) => None,
            proof => Some(proof),
        }
    }

    fn key(&self, key: &[u8]) -> Option<Result<Arc<Grant>, Refusal>> {
        if !api_key::is_well_formed(key) {
            return Some(Err(Refusal::ApiKeyInvalid));
        }
        let asked = self.asked.as_ref()?;
        let hash = keys::hash(key);
        let answer = self.runtime.block_on(asked.core.key(&keys::query(&hash))).ok()?;
        let grant = answer.key.map(|facts| Arc::new(Grant::of(hash, facts)));
        Some(grant.ok_or(Refusal::ApiKeyInvalid))
    }

    fn client(&self) -> Option<IpAddr> {
        Some(self.client)
    }

    fn sessions(&self, routed: &Routed<'_>) -> Option<Sessions> {
        let asked = self.asked.as_ref()?;
        let mut found = Sessions::default();
        let brought = routed.sessions().ok()?;
        for pair in brought {
            let value = std::str::from_utf8(pair.value).ok();
            let Some(value) = value.filter(|_| is_plausible(pair.value)) else {
                continue;
            };
            for name in pair.names() {
                let sighting = self.runtime.block_on(asked.sessions.look_up_now(name, value));
                if sighting.is_silent() {
                    return None;
                }
                found.superuser |= sighting.is_superuser();
                if brought.len() == 1 && name == pair.name {
                    found.only = sighting.only().cloned();
                }
            }
        }
        Some(found)
    }

    fn standing(&self, identity: &Identity) -> Option<Arc<StandingFacts>> {
        let asked = self.asked.as_ref()?;
        let (query, _) = identity.asks_core()?;
        let answer = self.runtime.block_on(asked.core.standing(query)).ok()?;
        Some(Arc::new(answer.facts()))
    }

    fn admitted(&self, payer: Payer<'_>, scope: Option<&str>) -> (Option<bool>, String) {
        let limits = self.limits.load_full();
        let (whose, limit) = match payer {
            Payer::Account { id, plan } => (format!("account {} on plan {plan}", id.0), limits.account(id, plan)),
            Payer::Foreign { account, .. } => (format!("account {account}"), limits.default_limit()),
            Payer::Address => ("the client's address".to_owned(), limits.address()),
        };
        let policy = |limit: &crate::throttle::Limit| limit.policy_value().to_str().unwrap_or("?").to_owned();
        let scoped = scope
            .and_then(|name| limits.scope_id(name))
            .and_then(|id| limits.scope(id))
            .map(|limit| format!(" after {}", policy(limit)))
            .unwrap_or_default();
        // A request that is not sent is not counted: it is taken to be within its limits.
        (
            Some(true),
            format!("{whose} pays, limit {}{scoped}; taken to be within it", policy(limit)),
        )
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
