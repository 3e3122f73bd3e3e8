//! What the user wrote: the shape of `proxy.toml`, key by key, with the defaults. Unknown keys are refused.

use super::edge::{Allow, Cors, Mode, Security, Tls};
use super::{issuers, throttle};
use crate::policy::edits::OwnFields;
use crate::policy::route::{Authorization, OnSuperuserSession, RouteKind, RouteSessions};
use igny8_contract::standing::StandingNeed;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A duration written as `"500ms"`, `"10s"`, `"5m"` or `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let wrong = || format!("`{text}` is not a duration: write a whole number and ms, s, m or h, such as \"10s\"");
        let amount: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let millis = match &text[digits..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        amount
            .checked_mul(millis)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(wrong)
    }
}

pub const fn seconds(amount: u64) -> Span {
    Span(Duration::from_secs(amount))
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub listen: Listen,
    #[serde(default)]
    pub server: Server,
    pub upstream: BTreeMap<String, Upstream>,
    pub core: Core,
    #[serde(default)]
    pub sessions: Sessions,
    #[serde(default)]
    pub flags: Flags,
    #[serde(default)]
    pub cors: Cors,
    #[serde(default)]
    pub security: Security,
    #[serde(default)]
    pub throttle: throttle::Written,
    pub issuer: Vec<issuers::Written>,
    pub route: Vec<Route>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    pub public: SocketAddr,
    pub ops: SocketAddr,
    pub tls: Option<Tls>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([0, 0, 0, 0], 8080)),
            ops: SocketAddr::from(([127, 0, 0, 1], 8081)),
            tls: None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Worker threads; 0 takes one for each core.
    pub threads: usize,
    /// Networks of proxies in front of this one; a bare address stands for itself.
    pub trusted_hops: Vec<String>,
    pub hosts: Vec<String>,
    pub grace_seconds: u64,
    pub limits_file: PathBuf,
    /// From the first byte of a request to the end of its header block.
    pub header_timeout: Span,
    /// How long a connection may wait for its next request.
    pub keepalive_timeout: Span,
    /// The longest pause within a request body.
    pub body_timeout: Span,
    /// A body that comes more slowly than this many bytes a second is cut off; routes with `stream` are exempt.
    pub min_body_rate: u64,
    /// The longest pause while a client takes its answer.
    pub send_timeout: Span,
    /// The longest silence of the app on routes with `stream`, and of a WebSocket.
    pub stream_timeout: Span,
    pub max_body_bytes: u64,
    pub access_log: AccessLog,
    /// Whether answers tell the client where its limit stands.
    pub rate_limit_fields: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            threads: 0,
            trusted_hops: Vec::new(),
            hosts: vec!["localhost".into(), "127.0.0.1".into()],
            grace_seconds: 10,
            limits_file: PathBuf::from("config/limits.toml"),
            header_timeout: seconds(10),
            keepalive_timeout: seconds(60),
            body_timeout: seconds(30),
            min_body_rate: 256,
            send_timeout: seconds(30),
            stream_timeout: seconds(300),
            max_body_bytes: 10 * 1024 * 1024,
            access_log: AccessLog::Stdout,
            rate_limit_fields: true,
        }
    }
}

/// Where the access log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    Stdout,
    Off,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub address: SocketAddr,
    pub edge_secret_file: Option<PathBuf>,
    #[serde(default = "every_field")]
    pub fields: Vec<OwnFields>,
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    #[serde(default = "exchange_timeout")]
    pub read_timeout: Span,
    #[serde(default = "exchange_timeout")]
    pub write_timeout: Span,
    #[serde(default = "idle_timeout")]
    pub idle_timeout: Span,
    #[serde(default = "total_timeout")]
    pub total_timeout: Span,
}

fn every_field() -> Vec<OwnFields> {
    OwnFields::ALL.to_vec()
}

pub const fn connect_timeout() -> Span {
    seconds(2)
}

pub const fn exchange_timeout() -> Span {
    seconds(30)
}

pub const fn idle_timeout() -> Span {
    seconds(1)
}

pub const fn total_timeout() -> Span {
    seconds(60)
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    pub internal: String,
    pub token_file: PathBuf,
    #[serde(default = "stale_max")]
    pub stale_max: Span,
    #[serde(default = "core_timeout")]
    pub timeout: Span,
}

pub const fn stale_max() -> Span {
    seconds(300)
}

pub const fn core_timeout() -> Span {
    seconds(2)
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    pub cookies: Vec<String>,
    pub app_introspection: Option<String>,
    /// The upstream whose edge secret signs introspection.
    pub app_upstream: String,
    pub cache: Span,
    pub logout_path: String,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            cookies: vec!["sessionid".into()],
            app_introspection: None,
            app_upstream: "app".into(),
            cache: seconds(5),
            logout_path: "/api/v1/auth/logout".into(),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flags {
    pub enable_free_trial: bool,
    pub validate_api_key: bool,
    pub strict_jwt_only: bool,
}

impl Flags {
    /// Each flag by its name, whether it is on, and what it means that it is off.
    #[must_use]
    pub const fn all(self) -> [(&'static str, bool, &'static str); 3] {
        [
            (
                "enable_free_trial",
                self.enable_free_trial,
                "sign-up gives another plan than usual",
            ),
            (
                "validate_api_key",
                self.validate_api_key,
                "API keys are not asked for the standing of their account",
            ),
            (
                "strict_jwt_only",
                self.strict_jwt_only,
                "sessions may pass to api routes",
            ),
        ]
    }
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            enable_free_trial: true,
            validate_api_key: true,
            strict_jwt_only: true,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub prefix: String,
    pub kind: RouteKind,
    pub upstream: String,
    pub scope: Option<String>,
    #[serde(default)]
    pub standing: StandingNeed,
    #[serde(default)]
    pub authorization: Authorization,
    #[serde(default)]
    pub cookies_allow: Vec<String>,
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub on_superuser_session: OnSuperuserSession,
    #[serde(default)]
    pub sessions: RouteSessions,
    pub max_body_bytes: Option<u64>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    pub websocket: bool,
    #[serde(default)]
    pub networks: Vec<String>,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub allow: Vec<Allow>,
    pub cors: Option<Cors>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        assert_eq!(Span::try_from("500ms".to_owned()), Ok(Span(Duration::from_millis(500))));
        assert_eq!(Span::try_from("5m".to_owned()), Ok(seconds(300)));
        for wrong in ["", "5", "s", "-1s", "1.5s", "5 m", "18446744073709551615h"] {
            assert!(Span::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
