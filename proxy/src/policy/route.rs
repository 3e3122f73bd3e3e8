//! Which route a request meets: by Host, then by the longest prefix of whole segments. Pure.

use super::cors::CorsRule;
use super::network::Network;
use super::path;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::StandingNeed;
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;

/// What a route is for; everything that is allowed follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// A token, and nothing else, proves who is asking.
    Api,
    /// An API path that needs no credential.
    Public,
    /// The admin panel: the one place where sessions live.
    Admin,
    /// HTML and what it loads.
    Page,
}

impl RouteKind {
    /// The word in the configuration, in logs and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Public => "public",
            Self::Admin => "admin",
            Self::Page => "page",
        }
    }

    /// Whether people or programs read the answers.
    #[must_use]
    pub const fn answers_json(self) -> bool {
        match self {
            Self::Api | Self::Public => true,
            Self::Admin | Self::Page => false,
        }
    }
}

/// What happens to an `Authorization` field on routes that ask for no credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// It is removed: an unverified credential is nobody's business.
    #[default]
    Drop,
    /// It goes on, unverified, to an upstream that verifies it itself.
    Pass,
}

/// What happens to a superuser's session outside `admin` routes. There is no word that lets one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSuperuserSession {
    /// The request is refused and the session ended at its source.
    #[default]
    Revoke,
    /// The request is refused and the session left alone.
    Refuse,
}

/// Whether a session may pass where none belongs. A superuser's never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteSessions {
    /// It is dropped on pages and public routes, and refused on API routes.
    #[default]
    Never,
    /// On a page: the session of one user who is neither staff nor superuser passes, for apps whose pages sign in by it.
    NonSuperuser,
    /// On an API route while `strict_jwt_only` is off: such a user's session acts for their account. No file can say it.
    #[serde(skip)]
    Account,
}

/// A path prefix with one kind, one upstream, and its rules.
#[derive(Clone, Debug)]
pub struct Route {
    /// Without a trailing slash; empty for the root.
    pub prefix: String,
    pub kind: RouteKind,
    /// The upstream's place in the configuration's list.
    pub upstream: usize,
    pub scope: Option<String>,
    pub standing: StandingNeed,
    pub authorization: Authorization,
    pub cookies_allow: Vec<String>,
    /// Lower-case; empty when every host of the server will do.
    pub hosts: Vec<HostRule>,
    pub on_superuser_session: OnSuperuserSession,
    pub sessions: RouteSessions,
    pub max_body_bytes: u64,
    pub stream: bool,
    pub edge: EdgeRules,
}

/// What a route says of the network around it. The default is the narrowest.
#[derive(Clone, Debug, Default)]
pub struct EdgeRules {
    /// WebSockets may be opened here.
    pub websocket: bool,
    /// Whom the route serves; everybody when it is empty.
    pub networks: Vec<Network>,
    /// Standing and networks are judged, counted and logged, and nobody is refused for them.
    pub shadow: bool,
    /// `%2F` may stand in a segment.
    pub encoded_slash: bool,
    pub cors: Option<Arc<CorsRule>>,
}

impl EdgeRules {
    /// Whether the route serves a client. `hop_is_silent` says that a trusted hop did not tell for whom it asks: then the
    /// client is nobody whom a network could contain.
    ///
    /// # Errors
    /// `network_refused`.
    pub fn check_network(&self, client: IpAddr, hop_is_silent: bool) -> Result<(), Refusal> {
        let within = |network: &Network| !hop_is_silent && network.contains(client);
        if self.networks.is_empty() || self.networks.iter().any(within) {
            Ok(())
        } else {
            Err(Refusal::NetworkRefused)
        }
    }
}

/// Whether a route that only watches lets this refusal pass: standing and networks alone are ever shadowed, never framing,
/// paths, cookies, sessions or credentials, and never what could not be judged.
#[must_use]
pub const fn can_be_shadowed(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NetworkRefused
            | Refusal::AccountMissing
            | Refusal::AccountSuspended
            | Refusal::AccountCancelled
            | Refusal::TrialEnded
            | Refusal::PaymentRequired
    )
}

impl Route {
    /// The prefix as people write it: `/` for the root.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { &self.prefix }
    }

    /// Whether the path lies under the prefix, by whole segments.
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str()).is_some_and(ends_segment)
    }

    fn serves(&self, host: &Host<'_>) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|rule| rule.matches(host))
    }
}

fn ends_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Whether a path lies at or below `hidden` in any case: what is hidden is hidden from a careless framework, too.
fn is_at_or_below(path: &str, hidden: &str) -> bool {
    let start = path.get(..hidden.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(hidden)) && ends_segment(&path[hidden.len()..])
}

/// The ports that a Host field without one can mean: which of them depends on the scheme, and a terminator before us may
/// have spoken another one than we do.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// A host that is served: a name or an address, with a port where only that port will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    name: String,
    port: Option<u16>,
}

impl HostRule {
    /// Reads `example.com`, `example.com:8443`, `127.0.0.1` or `[::1]`; nothing for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let host = Host::parse(lower.as_bytes())?;
        Some(Self {
            name: host.name.to_owned(),
            port: host.port,
        })
    }

    fn matches(&self, host: &Host<'_>) -> bool {
        host.name.eq_ignore_ascii_case(&self.name)
            && self.port.is_none_or(|port| match host.port {
                Some(named) => named == port,
                None => DEFAULT_PORTS.contains(&port),
            })
    }
}

/// A parsed Host field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Without its trailing dot, in the case it came in.
    pub name: &'a str,
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads `name`, `name:port`, `[v6]` or `[v6]:port` (RFC 9110, section 7.2); nothing for anything else.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (name, port) = if text.starts_with('[') {
            let end = text.find(']')? + 1;
            (&text[..end], text.get(end..)?)
        } else {
            text.split_at(text.find(':').unwrap_or(text.len()))
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if port.is_empty() => None,
            _ => return None,
        };
        let inner = name.strip_prefix('[').map_or(name, |v6| v6.trim_end_matches(']'));
        let plain = if name.starts_with('[') {
            inner.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            inner
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        (plain && !name.is_empty()).then_some(Self { name, port })
    }
}

/// Every route, and every host that is served.
#[derive(Clone, Debug)]
pub struct Routes {
    hosts: Vec<HostRule>,
    /// The longest prefix first.
    routes: Vec<Route>,
    /// First segments of prefixes that must not be met in another case.
    protected: Vec<String>,
    /// Where the app answers for its sessions, without a trailing slash: nobody else's business.
    hidden: Option<String>,
    /// Whether any route lets an encoded slash pass.
    encoded_slash: bool,
}

impl Routes {
    /// Orders the routes. Every route but pages is protected against other spellings of its first segment. Nothing is
    /// served at or below the path `hidden`, however it is spelled.
    #[must_use]
    pub fn new(hosts: Vec<HostRule>, mut routes: Vec<Route>, hidden: Option<String>) -> Self {
        // Of two with one prefix, the one that names its hosts goes before the one for all others.
        routes.sort_by_key(|route| (std::cmp::Reverse(route.prefix.len()), route.hosts.is_empty()));
        let mut protected: Vec<String> = routes
            .iter()
            .filter(|route| route.kind != RouteKind::Page)
            .filter_map(|route| route.prefix.split('/').nth(1).map(str::to_owned))
            .collect();
        protected.sort();
        protected.dedup();
        let hidden = hidden
            .map(|path| path.trim_end_matches('/').to_lowercase())
            .filter(|path| !path.is_empty());
        Self {
            hosts,
            encoded_slash: routes.iter().any(|route| route.edge.encoded_slash),
            routes,
            protected,
            hidden,
        }
    }

    /// Every route, the longest prefix first.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        &self.routes
    }

    /// The first host that is served, as a Host field has it.
    #[must_use]
    pub fn first_host(&self) -> String {
        match self.hosts.first() {
            Some(HostRule { name, port: Some(port) }) => format!("{name}:{port}"),
            Some(HostRule { name, port: None }) => name.clone(),
            None => String::new(),
        }
    }

    /// The prefixes of the admin routes, for expiring cookies there.
    pub fn admin_prefixes(&self) -> impl Iterator<Item = &str> {
        self.routes
            .iter()
            .filter(|route| route.kind == RouteKind::Admin)
            .map(Route::label)
    }

    /// The route that a request meets by its host and its target, and the target's canonical path.
    ///
    /// # Errors
    /// `malformed_path`, and what [`Self::find`] says.
    pub fn meet<'t>(&self, host: Option<&[u8]>, target: &'t [u8]) -> Result<(usize, path::Canonical<'t>), Refusal> {
        match path::canonicalize(target) {
            Ok(canonical) => Ok((self.find(host, &canonical.path)?, canonical)),
            Err(_) => self.find_with_slash(host, target),
        }
    }

    /// The route of a target that holds an encoded slash, and its canonical path: only where the route allows one by name,
    /// and only if the path with its slashes decoded, as a careless app reads it, meets the same route.
    ///
    /// # Errors
    /// `malformed_path`, and what [`Self::find`] says.
    pub fn find_with_slash<'t>(
        &self,
        host: Option<&[u8]>,
        target: &'t [u8],
    ) -> Result<(usize, path::Canonical<'t>), Refusal> {
        if !self.encoded_slash {
            return Err(Refusal::MalformedPath);
        }
        let canonical = path::canonicalize_with_slash(target)?;
        let found = self.find(host, &canonical.path)?;
        let decoded = self.find(host, &canonical.path.replace("%2F", "/"))?;
        if self.routes[found].edge.encoded_slash && decoded == found {
            Ok((found, canonical))
        } else {
            Err(Refusal::MalformedPath)
        }
    }

    /// The place in [`Self::all`] of the route that a host and a canonical path meet.
    ///
    /// # Errors
    /// `bad_host` when the host is missing, malformed or not served; `malformed_path` for a protected prefix in
    /// another case; `no_route` when nothing is served there.
    pub fn find(&self, host: Option<&[u8]>, path: &str) -> Result<usize, Refusal> {
        let host = host.and_then(Host::parse).ok_or(Refusal::BadHost)?;
        if !self.hosts.iter().any(|rule| rule.matches(&host)) {
            return Err(Refusal::BadHost);
        }
        let first = path
            .bytes()
            .skip(1)
            .position(|byte| byte == b'/')
            .map_or(&path[1..], |end| &path[1..=end]);
        if self
            .protected
            .iter()
            .any(|prefix| path::differs_only_in_case(first, prefix))
        {
            return Err(Refusal::MalformedPath);
        }
        if self
            .hidden
            .as_deref()
            .is_some_and(|hidden| is_at_or_below(path, hidden))
        {
            return Err(Refusal::NoRoute);
        }
        // A path never falls through to a shorter prefix because its own route is served on another host only.
        let longest = self
            .routes
            .iter()
            .position(|route| route.covers(path))
            .ok_or(Refusal::NoRoute)?;
        let prefix = &self.routes[longest].prefix;
        self.routes[longest..]
            .iter()
            .take_while(|route| route.prefix.len() == prefix.len())
            .position(|route| route.prefix == *prefix && route.serves(&host))
            .map(|after| longest + after)
            .ok_or(Refusal::NoRoute)
    }
}

#[cfg(test)]
pub(super) mod tests;
