//! CORS preflights: a browser's question what a script may send, answered here. It carries no credential and goes nowhere.

use crate::facts::{Client, Seen};
use crate::gate::Gate;
use crate::passage::Refused;
use crate::policy::cors::{self, CorsRule, Verdict};
use crate::policy::framing::Framed;
use crate::telemetry;
use crate::throttle::{self, Who};
use http::HeaderValue;
use igny8_contract::refusal::Refusal;
use std::sync::Arc;

/// An answer to a preflight: 204 and these fields.
#[derive(Debug)]
pub struct Preflight {
    pub fields: Vec<(&'static str, HeaderValue)>,
}

impl Preflight {
    /// The answer as HTTP/1.1 bytes; `close` says that no further request is read from the connection.
    #[must_use]
    pub fn to_bytes(&self, close: bool) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 204 No Content\r\n".to_vec();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(if close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        bytes
    }
}

impl Gate {
    /// Answers a preflight on a route that has a rule; nothing for any other request. The client's address pays.
    pub async fn preflight(
        &self,
        framed: &Framed<'_>,
        client: &Arc<Client>,
    ) -> Option<Result<Preflight, Box<Refused>>> {
        if !cors::is_preflight(framed) {
            return None;
        }
        // Apart, so that other requests do not carry its state along.
        Box::pin(self.judge_preflight(framed, client)).await
    }

    async fn judge_preflight(
        &self,
        framed: &Framed<'_>,
        client: &Arc<Client>,
    ) -> Option<Result<Preflight, Box<Refused>>> {
        let hop_is_silent = client.hop_is_silent(framed, &self.config.trusted_hops);
        let client = if client.trusted_hop {
            Arc::new(client.behind_hops(framed, &self.config.trusted_hops))
        } else {
            Arc::clone(client)
        };
        // What has no route, or may not come from there, is refused on the usual way.
        let (index, _) = self.config.routes.meet(framed.host, framed.target).ok()?;
        let route = &self.config.routes.all()[index];
        let rule = route.edge.cors.as_deref()?;
        let within = route.edge.check_network(client.ip, hop_is_silent).is_ok();
        if !within && !route.edge.shadow {
            return None;
        }
        let verdict = cors::judge(Some(rule), framed.origin);
        let who = Who::Address {
            ip: client.ip,
            scope: self.scopes[index],
        };
        let rate = self.ask(who, self.clock.elapsed()).await;
        let refusal = match (&rate, &verdict) {
            (Err(refusal), _) => *refusal,
            (Ok(rate), _) if !rate.allowed => Refusal::Throttled,
            (Ok(_), Verdict::NotAllowed | Verdict::Silent) => Refusal::OriginRefused,
            (Ok(_), Verdict::Allowed(_)) => return Some(Ok(answer(rule, &verdict))),
        };
        Some(Err(self.refused_preflight(
            refusal,
            index,
            client,
            verdict,
            rate.ok(),
            framed,
        )))
    }

    fn refused_preflight(
        &self,
        refusal: Refusal,
        route: usize,
        client: Arc<Client>,
        verdict: Verdict,
        rate: Option<throttle::Verdict>,
        framed: &Framed<'_>,
    ) -> Box<Refused> {
        let seen = Seen::of(framed);
        let limit_watched = rate.as_ref().is_some_and(throttle::Verdict::is_watched);
        Box::new(Refused {
            refusal,
            client,
            route: Some(route),
            html: false,
            head_only: false,
            expire_sessions: None,
            rate,
            limit_watched,
            identity: None,
            cors: verdict,
            close: seen.close || seen.has_body,
            has_body: seen.has_body,
            started: self.clock.elapsed(),
            method: seen.method.as_str(),
            brought: seen.brought,
            host: telemetry::loggable(seen.host.unwrap_or_default()),
            path: telemetry::loggable(seen.target),
        })
    }
}

fn answer(rule: &CorsRule, verdict: &Verdict) -> Preflight {
    metrics::counter!("igny8_preflights_total").increment(1);
    let mut fields = cors::answer_fields(rule, verdict);
    fields.extend(rule.preflight_fields());
    Preflight { fields }
}
