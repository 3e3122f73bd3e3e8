//! Every way in which a configuration is wider than the default, for `check`: allowed, and worth a second look.

use super::{Config, KeysFrom};
use crate::policy::route::{Authorization, OnSuperuserSession, RouteKind, RouteSessions};
use crate::throttle::shared::OnStoreDown;

impl Config {
    /// One sentence for each, with the key.
    #[must_use]
    pub fn wider_than_default(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.flags_off()
            .for_each(|flag| found.push(format!("flags.{flag}: is off")));
        if !self.trusted_hops.is_empty() {
            found.push("server.trusted_hops: whoever connects from there says what the client's address is".to_owned());
        }
        for route in self.routes.all() {
            let label = route.label();
            if route.authorization == Authorization::Pass && route.kind != RouteKind::Api {
                found.push(format!(
                    "route `{label}`: an unverified Authorization field goes to the upstream"
                ));
            }
            if !route.cookies_allow.is_empty() {
                let names = route.cookies_allow.join(", ");
                found.push(format!("route `{label}`: these cookies go to the upstream: {names}"));
            }
            if route.sessions == RouteSessions::NonSuperuser {
                found.push(format!("route `{label}`: sessions of ordinary users pass"));
            }
            if route.on_superuser_session == OnSuperuserSession::Refuse {
                found.push(format!(
                    "route `{label}`: a superuser's session found here is refused and lives on"
                ));
            }
        }
        for issuer in &self.issuers {
            let name = &issuer.name;
            if let KeysFrom::Url(url) = &issuer.keys
                && url.scheme_str() == Some("http")
                && !is_loopback(url.host().unwrap_or_default())
            {
                found.push(format!("issuer `{name}`: its keys come over the network without TLS"));
            }
            if issuer.refuses_all {
                found.push(format!(
                    "issuer `{name}`: narrower, not wider: the core knows none of its accounts, so every request is refused with \
                     account_missing; standing = \"none\" lets them pass"
                ));
            } else if name != "core" {
                found.push(format!(
                    "issuer `{name}`: nobody is asked for the standing of its accounts"
                ));
            }
        }
        if let Some(shared) = &self.shared_throttle
            && shared.on_store_down() == OnStoreDown::Local
        {
            found.push(
                "throttle.on_store_down: while the store is down each proxy admits as much as all together".to_owned(),
            );
        }
        found
    }

    /// The emergency flags that are off.
    pub fn flags_off(&self) -> impl Iterator<Item = &'static str> {
        [
            ("enable_free_trial", self.flags.enable_free_trial),
            ("validate_api_key", self.flags.validate_api_key),
            ("strict_jwt_only", self.flags.strict_jwt_only),
        ]
        .into_iter()
        .filter_map(|(name, on)| (!on).then_some(name))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
