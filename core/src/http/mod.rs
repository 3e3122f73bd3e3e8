//! The core over HTTP: a public listener behind the proxy and an internal one for proxies.
//!
//! A handler extracts, calls one story and answers. What every request shares is in [`passage`]: its id, its one
//! trailing slash, its bounded body, and the one form of refusals.

pub mod account;
pub mod answer;
pub mod api_keys;
pub mod ask;
pub mod auth;
pub mod auth_bodies;
pub mod bearer;
pub mod billing;
pub mod body;
pub mod clock;
pub mod cookies;
pub mod credit_shapes;
pub mod credits;
pub mod customers;
pub mod error_reference;
pub mod feed;
pub mod frontend;
pub mod idempotency;
pub mod internal;
pub mod listener;
pub mod members;
pub mod numbered;
pub mod object;
pub mod openapi;
pub mod panel;
pub mod passage;
pub mod plans;
pub mod query;
pub mod receipt_page;
pub mod receipts;
pub mod recovery;
pub mod refresh_cookie;
pub mod routes;
pub mod second_factor;
pub mod shapes;
pub mod sign_ins;
pub mod staff;
pub mod stories;
pub mod trail;
mod valid;
pub mod visitor;
pub mod webhooks;

use crate::adapters::stripe::Webhooks;
use crate::app::Core;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use std::sync::Arc;

/// What handlers are given.
#[derive(Clone)]
pub struct Service {
    pub core: Core,
    /// Keeps count of stories under way.
    pub stories: stories::Stories,
    /// What proxies prove themselves with.
    pub internal_token: Arc<SecretString>,
    /// Nothing where Stripe is not used.
    pub stripe: Option<Arc<Webhooks>>,
    /// Where the panel asks proxies for what they have seen.
    pub proxies: Arc<[String]>,
    pub metrics: PrometheusHandle,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}
