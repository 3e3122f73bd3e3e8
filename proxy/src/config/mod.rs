//! What the program runs with: validated once, here; the file's own shape never leaves this module.

mod edge;
mod file;
mod issuers;
mod load;
mod throttle;
mod wider;

pub use crate::policy::network::Network;
pub use file::{AccessLog, Flags};
pub use issuers::{IssuerConfig, KeysFrom};
pub use load::{ConfigError, ours};
pub use wider::{Wider, limits as wider_limits};

use crate::edge::EdgeKey;
use crate::policy::cookies::{self, CookieRules};
use crate::policy::edits::OwnFieldSet;
use crate::policy::route::{HostRule, Route, RouteKind, RouteSessions, Routes};
use crate::policy::security::SecurityFields;
use crate::throttle::Shared;
use crate::tls::TlsFiles;
use file::File;
use http::{HeaderValue, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    pub public: SocketAddr,
    pub ops: SocketAddr,
    pub tls: Option<TlsFiles>,
    pub threads: usize,
    pub trusted_hops: Vec<Network>,
    pub grace: Duration,
    pub limits_file: PathBuf,
    pub header_timeout: Duration,
    pub keepalive_timeout: Duration,
    pub body_timeout: Duration,
    /// Bytes a second.
    pub min_body_rate: u64,
    pub send_timeout: Duration,
    pub stream_timeout: Duration,
    pub security: SecurityFields,
    pub access_log: AccessLog,
    pub rate_limit_fields: bool,
    pub upstreams: Vec<Upstream>,
    pub core: Core,
    pub sessions: Sessions,
    pub flags: Flags,
    /// The core comes first.
    pub issuers: Vec<IssuerConfig>,
    /// Nothing where this proxy counts for itself. Taken when the proxy is put together.
    pub shared_throttle: Option<Shared>,
    pub routes: Routes,
    /// Every way in which the file is wider than the default.
    pub wider: Vec<Wider>,
}

/// A named server the proxy forwards to.
#[derive(Debug)]
pub struct Upstream {
    pub name: String,
    pub address: SocketAddr,
    pub edge_key: Option<EdgeKey>,
    pub fields: OwnFieldSet,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    pub idle_timeout: Duration,
    pub total_timeout: Duration,
}

/// Core's internal listener.
#[derive(Debug)]
pub struct Core {
    pub base: String,
    /// `Bearer …`, marked sensitive.
    pub authorization: HeaderValue,
    pub stale_max: Duration,
    pub timeout: Duration,
}

/// Where sessions come from and which cookies carry them.
#[derive(Debug)]
pub struct Sessions {
    pub rules: CookieRules,
    pub app_introspection: Option<Uri>,
    pub introspection_key: Option<EdgeKey>,
    pub memory: Duration,
    pub logout_path: String,
}

impl Config {
    /// Reads and validates the file at `path`, the environment over it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: shown.clone(),
            source,
        })?;
        let environment: Vec<_> = environment.collect();
        let mut file: File = load::parse(&shown, &text, environment.iter().cloned())?;
        emergency_flags(&mut file, &environment)?;
        Checker { path: shown, text }.config(file)
    }
}

/// Whether a text has the form of the file; what it says is not looked at, and no file that it names is opened.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parses(path: &str, text: &str) -> Result<(), ConfigError> {
    load::parse::<File>(path, text, std::iter::empty()).map(drop)
}

/// The three flags are also read from the names that operators of the old app know.
fn emergency_flags(file: &mut File, environment: &[(String, String)]) -> Result<(), ConfigError> {
    let flags = [
        &mut file.flags.enable_free_trial,
        &mut file.flags.validate_api_key,
        &mut file.flags.strict_jwt_only,
    ];
    for (name, flag) in load::FLAG_NAMES.into_iter().zip(flags) {
        let Some((_, value)) = environment.iter().find(|(known, _)| known == name) else {
            continue;
        };
        *flag = match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => true,
            "0" | "false" | "no" | "off" => false,
            _ => {
                let message = format!("`{value}` is neither true nor false");
                return Err(ConfigError::Environment {
                    name: name.to_owned(),
                    message,
                });
            }
        };
    }
    Ok(())
}

/// Turns the file into the configuration, naming the key of whatever is wrong.
struct Checker {
    path: String,
    /// The file's own text, to say in which line a wrong key stands.
    text: String,
}

impl Checker {
    fn wrong<T>(&self, key: impl Into<String>, message: impl Into<String>) -> Result<T, ConfigError> {
        let key = key.into();
        Err(ConfigError::Invalid {
            place: match load::line_of(&self.text, &key) {
                Some(line) => format!("{}:{line}", self.path),
                None => self.path.clone(),
            },
            key,
            message: message.into(),
        })
    }

    fn config(&self, file: File) -> Result<Config, ConfigError> {
        let hosts = self.hosts("server.hosts", &file.server.hosts)?;
        if hosts.is_empty() {
            return self.wrong("server.hosts", "name at least one host");
        }
        let trusted_hops = self.networks("server.trusted_hops", &file.server.trusted_hops)?;
        let names: Vec<String> = file.upstream.keys().cloned().collect();
        let upstreams = self.upstreams(&file.upstream)?;
        let routes = self.routes(&file, &names, hosts)?;
        let core = self.core(&file.core)?;
        let issuers = self.issuers(&file.issuer, &core)?;
        let shared_throttle = self.shared_throttle(&file.throttle)?;
        let wider = wider::than_default(&file, &issuers);
        Ok(Config {
            public: file.listen.public,
            ops: file.listen.ops,
            tls: self.tls(file.listen.tls.as_ref())?,
            threads: match file.server.threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            trusted_hops,
            grace: Duration::from_secs(file.server.grace_seconds),
            limits_file: file.server.limits_file.clone(),
            header_timeout: file.server.header_timeout.0,
            keepalive_timeout: file.server.keepalive_timeout.0,
            body_timeout: file.server.body_timeout.0,
            min_body_rate: file.server.min_body_rate,
            send_timeout: file.server.send_timeout.0,
            stream_timeout: file.server.stream_timeout.0,
            security: self.security(&file.security)?,
            access_log: file.server.access_log,
            rate_limit_fields: file.server.rate_limit_fields,
            sessions: self.sessions(&file, &upstreams)?,
            issuers,
            shared_throttle,
            flags: file.flags,
            core,
            upstreams,
            routes,
            wider,
        })
    }

    fn hosts(&self, key: &str, texts: &[String]) -> Result<Vec<HostRule>, ConfigError> {
        texts
            .iter()
            .map(|text| HostRule::parse(text).map_or_else(|| self.wrong(key, format!("`{text}` is no host")), Ok))
            .collect()
    }

    fn upstreams(&self, upstreams: &BTreeMap<String, file::Upstream>) -> Result<Vec<Upstream>, ConfigError> {
        upstreams
            .iter()
            .map(|(name, upstream)| {
                let key = format!("upstream.{name}.edge_secret_file");
                let edge_key = match &upstream.edge_secret_file {
                    Some(file) => Some(self.edge_key(&key, file)?),
                    None => None,
                };
                Ok(Upstream {
                    name: name.clone(),
                    address: upstream.address,
                    edge_key,
                    fields: upstream.fields.iter().copied().collect(),
                    connect_timeout: upstream.connect_timeout.0,
                    read_timeout: upstream.read_timeout.0,
                    write_timeout: upstream.write_timeout.0,
                    idle_timeout: upstream.idle_timeout.0,
                    total_timeout: upstream.total_timeout.0,
                })
            })
            .collect()
    }

    fn secret(&self, key: &str, file: &Path) -> Result<String, ConfigError> {
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(text),
            Err(error) => self.wrong(key, format!("{}: {error}", file.display())),
        }
    }

    fn edge_key(&self, key: &str, file: &Path) -> Result<EdgeKey, ConfigError> {
        let text = self.secret(key, file)?;
        EdgeKey::parse(&text).map_or_else(
            || self.wrong(key, format!("{} does not hold 64 hex digits", file.display())),
            Ok,
        )
    }

    fn url(&self, key: &str, text: &str) -> Result<Uri, ConfigError> {
        match text.parse::<Uri>() {
            Ok(url) if url.scheme_str() == Some("http") && url.authority().is_some() => Ok(url),
            _ => self.wrong(key, format!("`{text}` is not an http:// URL")),
        }
    }

    fn core(&self, core: &file::Core) -> Result<Core, ConfigError> {
        let url = self.url("core.internal", &core.internal)?;
        let token = self.secret("core.token_file", &core.token_file)?;
        let Ok(mut authorization) = HeaderValue::from_str(&format!("Bearer {}", token.trim_end())) else {
            return self.wrong(
                "core.token_file",
                "the token holds bytes that no header field can carry",
            );
        };
        authorization.set_sensitive(true);
        Ok(Core {
            base: format!("http://{}", url.authority().map_or("", http::uri::Authority::as_str)),
            authorization,
            stale_max: core.stale_max.0,
            timeout: core.timeout.0,
        })
    }

    fn sessions(&self, file: &File, upstreams: &[Upstream]) -> Result<Sessions, ConfigError> {
        let sessions = &file.sessions;
        let app_introspection = sessions
            .app_introspection
            .as_ref()
            .map(|url| self.url("sessions.app_introspection", url))
            .transpose()?;
        if let Some(prefixed) = sessions
            .cookies
            .iter()
            .find(|name| name.to_ascii_lowercase().starts_with("__"))
        {
            return self.wrong(
                "sessions.cookies",
                format!(
                    "`{prefixed}`: name the cookie without its prefix; an admin session cannot be a __Host- cookie"
                ),
            );
        }
        if !(1..=cookies::MAX_NAMES).contains(&sessions.cookies.len()) {
            let message = format!("name at least one cookie, and at most {}", cookies::MAX_NAMES);
            return self.wrong("sessions.cookies", message);
        }
        let unsendable = |name: &&String| !cookies::is_plain_name(name.as_bytes());
        if let Some(name) = sessions.cookies.iter().find(unsendable) {
            return self.wrong("sessions.cookies", format!("`{name}`: no cookie can have this name"));
        }
        let app = upstreams.iter().find(|upstream| upstream.name == sessions.app_upstream);
        if app_introspection.is_some() && app.is_none() {
            let message = format!("there is no upstream `{}` to ask about sessions", sessions.app_upstream);
            return self.wrong("sessions.app_upstream", message);
        }
        Ok(Sessions {
            rules: CookieRules::new(&sessions.cookies),
            introspection_key: app
                .and_then(|app| app.edge_key.as_ref())
                .map(EdgeKey::for_introspection),
            app_introspection,
            memory: sessions.cache.0,
            logout_path: sessions.logout_path.trim_end_matches('/').to_owned(),
        })
    }

    fn routes(&self, file: &File, upstreams: &[String], hosts: Vec<HostRule>) -> Result<Routes, ConfigError> {
        let everywhere = self.cors("cors", &file.cors)?;
        let mut seen = BTreeSet::new();
        let mut routes = Vec::with_capacity(file.route.len());
        for route in &file.route {
            let key = format!("route `{}`", route.prefix);
            let prefix = route.prefix.strip_suffix('/').unwrap_or(&route.prefix);
            let canonical = crate::policy::path::canonicalize(if prefix.is_empty() { b"/" } else { prefix.as_bytes() });
            if !canonical.is_ok_and(|c| c.query.is_none() && (prefix.is_empty() || c.path == prefix)) {
                return self.wrong(key, "the prefix is not a canonical path that starts with `/`");
            }
            if !seen.insert((prefix, &route.hosts)) {
                return self.wrong(key, "there are two routes with this prefix");
            }
            let Some(upstream) = upstreams.iter().position(|name| *name == route.upstream) else {
                return self.wrong(key, format!("there is no upstream `{}`", route.upstream));
            };
            if route.kind == RouteKind::Admin && prefix.is_empty() {
                return self.wrong(key, "the root cannot be an admin route: sessions would live everywhere");
            }
            if route.sessions != RouteSessions::Never && route.kind != RouteKind::Page {
                return self.wrong(key, "`sessions` is for routes of the kind `page`");
            }
            // The one thing that the emergency flag changes for the rules.
            let sessions = match (route.kind, file.flags.strict_jwt_only) {
                (RouteKind::Api, false) => RouteSessions::Account,
                _ => route.sessions,
            };
            routes.push(Route {
                prefix: prefix.to_owned(),
                kind: route.kind,
                upstream,
                scope: route.scope.clone(),
                standing: route.standing,
                authorization: route.authorization,
                cookies_allow: route.cookies_allow.clone(),
                hosts: self.hosts(&key, &route.hosts)?,
                on_superuser_session: route.on_superuser_session,
                sessions,
                max_body_bytes: route.max_body_bytes.unwrap_or(file.server.max_body_bytes),
                stream: route.stream,
                edge: self.edge_rules(&key, route, &file.route, everywhere.as_ref())?,
            });
        }
        if routes.is_empty() {
            return self.wrong("route", "there is no route");
        }
        let hidden = file
            .sessions
            .app_introspection
            .as_deref()
            .and_then(|url| url.parse::<Uri>().ok());
        Ok(Routes::new(hosts, routes, hidden.map(|url| url.path().to_owned())))
    }
}

#[cfg(test)]
mod tests;
