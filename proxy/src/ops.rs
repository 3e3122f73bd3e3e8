//! The ops listener: liveness, readiness and metrics, on loopback.

use crate::gate::{Awaited, Gate};
use async_trait::async_trait;
use http::{Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers operators and their tools.
pub struct Ops {
    gate: Arc<Gate>,
    metrics: PrometheusHandle,
}

impl std::fmt::Debug for Ops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ops")
    }
}

impl Ops {
    #[must_use]
    pub const fn new(gate: Arc<Gate>, metrics: PrometheusHandle) -> Self {
        Self { gate, metrics }
    }

    /// Ready means: tokens can be verified, accounts are known, and no shutdown has begun.
    fn readiness(&self) -> (StatusCode, &'static str) {
        if self.gate.draining.load(Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        match self.gate.waits_for() {
            Some(Awaited::KeySet) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for core's key set\n"),
            Some(Awaited::Feed) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for core's change feed\n"),
            None => (StatusCode::OK, "ready\n"),
        }
    }
}

#[async_trait]
impl ServeHttp for Ops {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let (status, content_type, body) = match session.req_header().uri.path() {
            "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/readyz" => {
                let (status, text) = self.readiness();
                (status, "text/plain", text.to_owned())
            }
            "/metrics" => {
                self.gate.directory.report();
                (StatusCode::OK, "text/plain; version=0.0.4", self.metrics.render())
            }
            _ => (
                StatusCode::NOT_FOUND,
                "text/plain",
                "try /healthz, /readyz or /metrics\n".to_owned(),
            ),
        };
        let length = body.len();
        let mut response = Response::new(body.into_bytes());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
        response
    }
}
