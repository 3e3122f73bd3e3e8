//! `[throttle]`: where requests are counted.

use super::Checker;
use super::file::Span;
use super::load::ConfigError;
use crate::throttle::Shared;
use crate::throttle::shared::OnStoreDown;
use serde::Deserialize;
use std::time::Duration;

/// The table as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    pub backend: Backend,
    /// `redis://host:port/database`; of a Valkey or Redis that all proxies reach.
    pub url: Option<String>,
    pub on_store_down: OnStoreDown,
    /// How long a request waits for the store.
    pub timeout: Span,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            backend: Backend::Local,
            url: None,
            on_store_down: OnStoreDown::Local,
            timeout: Span(Duration::from_millis(250)),
        }
    }
}

/// Where requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// In this process.
    Local,
    /// In a store, for all proxies together.
    Shared,
}

impl Checker {
    /// The shared store, where there is one.
    pub(super) fn shared_throttle(&self, written: &Written) -> Result<Option<Shared>, ConfigError> {
        match (written.backend, &written.url) {
            (Backend::Local, None) => Ok(None),
            (Backend::Local, Some(_)) => self.wrong("throttle.url", "is for backend = \"shared\""),
            (Backend::Shared, None) => self.wrong(
                "throttle.url",
                "say where the store is, such as \"redis://127.0.0.1:6379/0\"",
            ),
            // The URL may hold a password, so the message does not repeat it.
            (Backend::Shared, Some(url)) if !url.starts_with("redis://") => {
                self.wrong("throttle.url", "is not a redis:// URL")
            }
            (Backend::Shared, Some(url)) => Shared::new(url, written.timeout.0, written.on_store_down)
                .map(Some)
                .or_else(|_| self.wrong("throttle.url", "is not a redis:// URL")),
        }
    }
}
