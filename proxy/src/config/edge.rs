//! The proxy's edge in the file: TLS, CORS, security fields, and what routes say of networks and upgrades.

use super::file::{Span, seconds};
use super::load::ConfigError;
use super::{Checker, file};
use crate::policy::cors::{CorsRule, is_origin};
use crate::policy::network::Network;
use crate::policy::route::{EdgeRules, RouteKind};
use crate::policy::security::SecurityFields;
use crate::tls::{Certificates, TlsFiles};
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Certificate chain and key, as PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Which other origins' scripts may read answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    pub headers: Vec<String>,
    pub expose: Vec<String>,
    pub credentials: bool,
    pub max_age: Span,
}

impl Default for Cors {
    fn default() -> Self {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: list(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            headers: list(&["Authorization", "Content-Type", "Idempotency-Key", "X-Api-Key"]),
            expose: list(&["RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"]),
            credentials: false,
            max_age: seconds(600),
        }
    }
}

/// What pages get where the app leaves it out; an empty text leaves the field out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    pub content_type_options: String,
    pub referrer_policy: String,
    pub frame_options: String,
    pub strict_transport_security: String,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            content_type_options: "nosniff".into(),
            referrer_policy: "strict-origin-when-cross-origin".into(),
            frame_options: "SAMEORIGIN".into(),
            strict_transport_security: "max-age=31536000".into(),
        }
    }
}

/// Whether a route's standing and networks refuse anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Enforce,
    /// They are judged, counted and logged.
    Shadow,
}

/// What a route may allow in its paths, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    EncodedSlash,
}

impl Checker {
    pub(super) fn tls(&self, tls: Option<&Tls>) -> Result<Option<TlsFiles>, ConfigError> {
        let Some(tls) = tls else { return Ok(None) };
        let files = TlsFiles {
            cert: tls.cert.clone(),
            key: tls.key.clone(),
        };
        match Certificates::open(files.clone()) {
            Ok(_) => Ok(Some(files)),
            Err(error) => self.wrong("listen.tls", error.to_string()),
        }
    }

    pub(super) fn networks(&self, key: &str, texts: &[String]) -> Result<Vec<Network>, ConfigError> {
        let network = |text: &String| match Network::parse(text) {
            Some(network) => Ok(network),
            None => self.wrong(key, format!("`{text}` is no address and no network")),
        };
        texts.iter().map(network).collect()
    }

    pub(super) fn security(&self, security: &Security) -> Result<SecurityFields, ConfigError> {
        let value = |key: &str, text: &str| match HeaderValue::from_str(text) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(_) => self.wrong(format!("security.{key}"), format!("`{text}` is no field value")),
        };
        Ok(SecurityFields {
            content_type_options: value("content_type_options", &security.content_type_options)?,
            referrer_policy: value("referrer_policy", &security.referrer_policy)?,
            frame_options: value("frame_options", &security.frame_options)?,
            strict_transport_security: value("strict_transport_security", &security.strict_transport_security)?,
        })
    }

    /// What one route says of the network around it; `everywhere` is the rule of `[cors]`.
    pub(super) fn edge_rules(
        &self,
        key: &str,
        route: &file::Route,
        all: &[file::Route],
        everywhere: Option<&Arc<CorsRule>>,
    ) -> Result<EdgeRules, ConfigError> {
        let cors = match (&route.cors, route.kind) {
            (Some(_), RouteKind::Admin) => {
                return self.wrong(key, "cors: no other origin's scripts read what an admin route answers");
            }
            (Some(own), RouteKind::Api | RouteKind::Public | RouteKind::Page) => self.cors(key, own)?,
            (None, RouteKind::Api | RouteKind::Public) => everywhere.cloned(),
            (None, RouteKind::Page | RouteKind::Admin) => None,
        };
        let encoded_slash = route.allow.contains(&Allow::EncodedSlash);
        if encoded_slash && all.iter().any(|other| guards_admin_below(&route.prefix, other)) {
            return self.wrong(key, "allow: never on an admin route or above one");
        }
        Ok(EdgeRules {
            websocket: route.websocket,
            networks: self.networks(key, &route.networks)?,
            shadow: route.mode == Mode::Shadow,
            encoded_slash,
            cors,
        })
    }

    /// A rule; nothing where no origin is named.
    pub(super) fn cors(&self, key: &str, cors: &Cors) -> Result<Option<Arc<CorsRule>>, ConfigError> {
        if cors.origins.is_empty() {
            return Ok(None);
        }
        let any_origin = cors.origins.iter().any(|origin| origin == "*");
        if any_origin && cors.credentials {
            return self.wrong(key, "cors: credentials never go with the origin `*`: name the origins");
        }
        if any_origin && cors.origins.len() > 1 {
            return self.wrong(key, "cors: the origin `*` stands alone");
        }
        if let Some(wrong) = cors.origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
            let message =
                format!("cors: `{wrong}` is no origin: write scheme and host, such as https://app.example.com");
            return self.wrong(key, message);
        }
        Ok(Some(Arc::new(CorsRule {
            any_origin,
            origins: cors.origins.clone(),
            credentials: cors.credentials,
            methods: self.list(key, &cors.methods, |text| text.parse::<Method>().is_ok())?,
            headers: self.list(key, &cors.headers, |text| text.parse::<HeaderName>().is_ok())?,
            expose: self.list(key, &cors.expose, |text| text.parse::<HeaderName>().is_ok())?,
            max_age: HeaderValue::from(cors.max_age.0.as_secs()),
        })))
    }

    /// Names as one field value. A star would stand for all of them, which is more than anybody can check.
    fn list(&self, key: &str, texts: &[String], fits: fn(&str) -> bool) -> Result<HeaderValue, ConfigError> {
        if let Some(wrong) = texts.iter().find(|text| *text == "*" || !fits(text)) {
            return self.wrong(key, format!("cors: `{wrong}` is no name"));
        }
        match HeaderValue::from_str(&texts.join(", ")) {
            Ok(value) => Ok(value),
            Err(_) => self.wrong(key, "cors: the names make no field value"),
        }
    }
}

/// Whether `other` is an admin route at or below a prefix.
fn guards_admin_below(prefix: &str, other: &file::Route) -> bool {
    let below = other.prefix.strip_prefix(prefix.trim_end_matches('/'));
    other.kind == RouteKind::Admin && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
