//! What the proxies have seen: throttle and refusals, as each of them counts.

use super::answer::page as shown;
use super::gate::Seat;
use super::view::grouped;
use crate::adapters::proxies;
use crate::domain::seen::{Counts, Seen, ranked};
use crate::http::Service;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use igny8_contract::refusal::Refusal;
use serde_json::{Value, json};

/// The page.
pub async fn show(State(service): State<Service>, Extension(seat): Extension<Seat>) -> Response {
    // All are asked at once: one that is away keeps nobody waiting for longer than its own deadline.
    let asked = service.proxies.iter().map(|address| {
        let address = address.clone();
        let answer = tokio::spawn({
            let address = address.clone();
            async move { proxies::metrics(&address).await }
        });
        (address, answer)
    });
    let mut told = Vec::with_capacity(service.proxies.len());
    for (address, answer) in asked.collect::<Vec<_>>() {
        let answer = answer.await.unwrap_or_else(|error| Err(error.to_string()));
        told.push(proxy(&address, answer));
    }
    shown(&service, &seat, "proxies.html", json!({"proxies": told}))
}

/// A proxy, or why nothing is known of it.
fn proxy(address: &str, answer: Result<String, String>) -> Value {
    match answer {
        Ok(metrics) => {
            let seen = Seen::read(&metrics);
            json!({
                "address": address, "problem": "", "forwarded": count(seen.forwarded),
                "refusals": count(seen.refusals()), "sessions_ended": count(seen.sessions_ended),
                "refused": refusals(&seen.refused), "shadowed": refusals(&seen.shadowed),
                "throttled": ranked(&seen.throttled).into_iter().map(|(limit, mode, times)| {
                    json!({"limit": limit, "mode": mode, "times": count(times)})
                }).collect::<Vec<_>>(),
            })
        }
        Err(problem) => {
            tracing::warn!(address, problem, "a proxy does not tell what it has seen");
            json!({"address": address, "problem": problem})
        }
    }
}

fn refusals(counts: &Counts) -> Vec<Value> {
    let rows = ranked(counts).into_iter().map(|(code, route, times)| {
        let known = Refusal::ALL.iter().find(|refusal| refusal.code() == code);
        let sentence = known.map_or("", |refusal| refusal.sentence());
        json!({"code": code, "route": route, "times": count(times), "sentence": sentence})
    });
    rows.collect()
}

fn count(times: u64) -> String {
    grouped(i64::try_from(times).unwrap_or(i64::MAX))
}
