//! `check`: whether the configuration and the limits are valid, and where they are wider than the default. Nothing is started,
//! and nobody is asked.

use crate::config::{Config, Wider, wider_limits};
use crate::serve;
use crate::throttle::LimitsError;
use igny8_contract::time::SystemClock;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What there is to say of two valid files.
#[derive(Debug, Serialize)]
pub struct Findings {
    valid: bool,
    config: String,
    limits: String,
    wider: Vec<Wider>,
    /// What an operator may not have meant, though it widens nothing.
    notes: Vec<String>,
}

/// Looks at the limits of a configuration that is valid by itself; `file` is where that was read.
///
/// # Errors
/// What is wrong with the limits.
pub fn check(config: &Config, file: &Path) -> Result<Findings, LimitsError> {
    let limits = serve::open_limits(config, Arc::new(SystemClock::new()))?;
    let refusing = config.issuers.iter().filter(|issuer| issuer.refuses_all);
    let refusing = refusing.map(|issuer| {
        format!(
            "issuer `{}`: the core knows none of its accounts, so every request is refused with account_missing; \
             standing = \"none\" lets them pass",
            issuer.name
        )
    });
    let limits = limits.load();
    let scopes: BTreeSet<&str> = config
        .routes
        .all()
        .iter()
        .filter_map(|route| route.scope.as_deref())
        .collect();
    let scopes: Vec<&str> = scopes.into_iter().collect();
    let unlimited = limits.without_limit(&scopes).map(|scope| {
        format!("limits: a route refers to the scope `{scope}`, which has no limit: the account's or the address's own holds there alone")
    });
    Ok(Findings {
        valid: true,
        config: file.display().to_string(),
        limits: config.limits_file.display().to_string(),
        notes: refusing.chain(unlimited).collect(),
        wider: [config.wider.clone(), wider_limits(&limits)].concat(),
    })
}

/// What is wrong with a file, for scripts.
#[must_use]
pub fn invalid_as_json(error: &dyn std::error::Error) -> Value {
    json!({"valid": false, "error": error.to_string()})
}

impl Findings {
    /// For people.
    #[must_use]
    pub fn as_text(&self) -> String {
        let mut text = format!("{} and {} are valid\n", self.config, self.limits);
        let wider: Vec<String> = self.wider.iter().map(Wider::to_string).collect();
        for (title, lines) in [("wider than the default", &wider), ("to be aware of", &self.notes)] {
            if !lines.is_empty() {
                text.push_str(&format!("{title}:\n  {}\n", lines.join("\n  ")));
            }
        }
        text
    }

    /// For scripts.
    #[must_use]
    pub fn as_json(&self) -> Value {
        // Nothing in it that JSON could not say.
        serde_json::to_value(self).unwrap_or_default()
    }
}
