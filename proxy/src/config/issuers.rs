//! `[[issuer]]`: whose tokens are accepted, where their keys come from, and which claims say who is asking.

use super::file::Span;
use super::load::ConfigError;
use super::{Checker, Core};
use crate::tokens::keys::Algorithm;
use crate::tokens::{ClaimRules, ForeignClaims, Issuer, KeyFile, KeyForm};
use http::Uri;
use igny8_contract::claims::ACCESS_TOKEN_TYPE;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The issuer that every installation has.
const CORE: &str = "core";
/// Dates of tokens may differ from our clock by this much where nothing else is said.
pub const LEEWAY_SECONDS: i64 = 10;
const PREFIX_MAX: usize = 32;

/// One table as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    pub iss: String,
    pub aud: String,
    pub jwks_url: Option<String>,
    pub jwks_file: Option<PathBuf>,
    pub secret_file: Option<PathBuf>,
    pub algorithms: Vec<String>,
    pub typ: Option<String>,
    pub account_claim: Option<String>,
    pub user_claim: Option<String>,
    pub role_claim: Option<String>,
    pub account_prefix: Option<String>,
    pub user_prefix: Option<String>,
    pub standing: Option<Standing>,
    #[serde(default = "leeway")]
    pub leeway_seconds: i64,
    pub stale_max: Option<Span>,
}

const fn leeway() -> i64 {
    LEEWAY_SECONDS
}

/// Who knows the standing of an issuer's accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The core is asked: whom it does not know is refused. The default.
    #[default]
    Core,
    /// Nobody is asked: the throttle alone applies.
    None,
}

/// An issuer, checked.
#[derive(Debug)]
pub struct IssuerConfig {
    pub name: String,
    pub issuer: Issuer,
    pub keys: KeysFrom,
    pub form: KeyForm,
    pub stale_max: Duration,
    /// Its accounts are asked for at the core, which knows none of another issuer.
    pub refuses_all: bool,
}

/// Where the keys come from.
#[derive(Debug)]
pub enum KeysFrom {
    Url(Uri),
    File(PathBuf),
    Secret(PathBuf),
}

impl Checker {
    /// The issuers, the core first.
    pub(super) fn issuers(&self, written: &[Written], core: &Core) -> Result<Vec<IssuerConfig>, ConfigError> {
        for (place, issuer) in written.iter().enumerate() {
            let others = &written[..place];
            let key = format!("issuer `{}`", issuer.name);
            if others.iter().any(|other| other.name == issuer.name) {
                return self.wrong(key, "there are two issuers of this name");
            }
            if let Some(other) = others.iter().find(|other| other.iss == issuer.iss) {
                return self.wrong(key, format!("its iss is that of `{}`, too", other.name));
            }
            let clash = others.iter().find(|other| prefixes_clash(other, issuer));
            if let Some(other) = clash {
                let message = format!(
                    "its account_prefix and that of `{}` start alike: one could name the other's accounts",
                    other.name
                );
                return self.wrong(key, message);
            }
        }
        let (own, foreign): (Vec<_>, Vec<_>) = written.iter().partition(|issuer| issuer.name == CORE);
        if own.is_empty() {
            return self.wrong("issuer", "there is no issuer named `core`");
        }
        let own = own.into_iter().map(|issuer| self.core_issuer(issuer, core));
        let foreign = foreign.into_iter().map(|issuer| self.foreign_issuer(issuer, core));
        own.chain(foreign).collect()
    }

    fn core_issuer(&self, written: &Written, core: &Core) -> Result<IssuerConfig, ConfigError> {
        let key = |name: &str| format!("issuer `core`: {name}");
        if written.algorithms != [Algorithm::EdDsa.as_str()] {
            return self.wrong(key("algorithms"), "the core signs with [\"EdDSA\"] and nothing else");
        }
        let mapping = [
            (
                "typ",
                written.typ.as_deref().is_some_and(|typ| typ != ACCESS_TOKEN_TYPE),
            ),
            ("account_claim", written.account_claim.is_some()),
            ("user_claim", written.user_claim.is_some()),
            ("role_claim", written.role_claim.is_some()),
            ("account_prefix", written.account_prefix.is_some()),
            ("user_prefix", written.user_prefix.is_some()),
            ("standing", written.standing == Some(Standing::None)),
            ("secret_file", written.secret_file.is_some()),
        ];
        if let Some((name, _)) = mapping.iter().find(|(_, said)| *said) {
            return self.wrong(key(name), "the core's claims are what they are; leave this out");
        }
        self.issuer(written, ClaimRules::Core, core, false)
    }

    fn foreign_issuer(&self, written: &Written, core: &Core) -> Result<IssuerConfig, ConfigError> {
        let key = |name: &str| format!("issuer `{}`: {name}", written.name);
        let Some(account_claim) = written.account_claim.as_deref().filter(|claim| !claim.is_empty()) else {
            return self.wrong(key("account_claim"), "name the claim that says whose account it is");
        };
        let prefix = written.account_prefix.as_deref().unwrap_or_default();
        if !is_prefix(prefix) {
            return self.wrong(
                key("account_prefix"),
                "is needed, so that no issuer can name another's accounts: a letter, then up to 31 of a-z A-Z 0-9 - _ . :",
            );
        }
        let user_prefix = written.user_prefix.as_deref().unwrap_or(prefix);
        if !user_prefix.is_empty() && !is_prefix(user_prefix) {
            return self.wrong(
                key("user_prefix"),
                "is empty, or a letter and up to 31 of a-z A-Z 0-9 - _ . :",
            );
        }
        let typ = written.typ.as_deref().unwrap_or(ACCESS_TOKEN_TYPE);
        if typ.is_empty() || !typ.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.wrong(key("typ"), "is what the header of its tokens says, such as \"JWT\"");
        }
        if [&written.user_claim, &written.role_claim]
            .into_iter()
            .flatten()
            .any(String::is_empty)
        {
            return self.wrong(
                key("user_claim"),
                "a claim has a name; leave the key out for the usual one",
            );
        }
        let asks_core = written.standing.unwrap_or_default() == Standing::Core;
        let claims = ForeignClaims {
            typ: typ.into(),
            account_claim: account_claim.into(),
            user_claim: written.user_claim.as_deref().unwrap_or("sub").into(),
            role_claim: written.role_claim.as_deref().map(Into::into),
            account_prefix: prefix.into(),
            user_prefix: user_prefix.into(),
            asks_core,
        };
        self.issuer(written, ClaimRules::Foreign(claims), core, asks_core)
    }

    fn issuer(
        &self,
        written: &Written,
        claims: ClaimRules,
        core: &Core,
        refuses_all: bool,
    ) -> Result<IssuerConfig, ConfigError> {
        let key = format!("issuer `{}`", written.name);
        let issuer = Issuer::new(&written.iss, &written.aud, written.leeway_seconds, claims)
            .or_else(|error| self.wrong(key.clone(), error.to_string()))?;
        let (keys, form) = self.keys_of(written, &key)?;
        Ok(IssuerConfig {
            name: written.name.clone(),
            issuer,
            keys,
            form,
            stale_max: written.stale_max.map_or(core.stale_max, |span| span.0),
            refuses_all,
        })
    }

    /// Where the keys come from, and what they may be. Files are read once, so that a bad one is told at the start.
    fn keys_of(&self, written: &Written, key: &str) -> Result<(KeysFrom, KeyForm), ConfigError> {
        let algorithms: Option<Vec<Algorithm>> = written.algorithms.iter().map(|name| Algorithm::parse(name)).collect();
        let Some(algorithms) = algorithms.filter(|algorithms| !algorithms.is_empty()) else {
            return self.wrong(
                format!("{key}: algorithms"),
                "are some of \"EdDSA\", \"ES256\", \"RS256\", or \"HS256\" alone",
            );
        };
        let secret = algorithms == [Algorithm::Hs256];
        if !secret && algorithms.contains(&Algorithm::Hs256) {
            let message = "HS256 stands alone: whoever can read a public key must not be able to sign with it";
            return self.wrong(format!("{key}: algorithms"), message);
        }
        let form = if secret {
            KeyForm::Secret
        } else {
            KeyForm::Jwks(algorithms)
        };
        let keys = match (&written.jwks_url, &written.jwks_file, &written.secret_file) {
            (Some(url), None, None) if !secret => KeysFrom::Url(self.key_url(&format!("{key}: jwks_url"), url)?),
            (None, Some(file), None) if !secret => KeysFrom::File(file.clone()),
            (None, None, Some(file)) if secret => KeysFrom::Secret(file.clone()),
            _ => {
                let message = "needs one of jwks_url and jwks_file, or secret_file where its algorithm is HS256";
                return self.wrong(key, message);
            }
        };
        if let KeysFrom::File(path) | KeysFrom::Secret(path) = &keys {
            let file = KeyFile {
                path: path.clone(),
                private: secret,
            };
            let bytes = file.read().or_else(|error| self.wrong(key, error.to_string()))?;
            form.parse(&bytes)
                .or_else(|error| self.wrong(key, format!("{}: {error}", path.display())))?;
        }
        Ok((keys, form))
    }

    fn key_url(&self, key: &str, text: &str) -> Result<Uri, ConfigError> {
        match text.parse::<Uri>() {
            Ok(url) if matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some() => Ok(url),
            _ => self.wrong(key, format!("`{text}` is not an http:// or https:// URL")),
        }
    }
}

/// A prefix that no number of the core's starts with.
fn is_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    text.len() <= PREFIX_MAX && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

fn prefixes_clash(one: &Written, other: &Written) -> bool {
    let alike = |one: Option<&str>, other: Option<&str>| match (one, other) {
        (Some(one), Some(other)) if !one.is_empty() && !other.is_empty() => {
            one.starts_with(other) || other.starts_with(one)
        }
        _ => false,
    };
    alike(one.account_prefix.as_deref(), other.account_prefix.as_deref())
}

#[cfg(test)]
mod tests;
