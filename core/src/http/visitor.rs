//! Where a request comes from, as far as the proxy says or the connection shows. Nobody is believed to be somebody for it:
//! it counts attempts, and helps people to tell their sign-ins apart.

use super::answer::Refused;
use super::listener::Peer;
use crate::app::sign_in::Visitor;
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;
use std::net::IpAddr;

/// How much is kept of what a client calls itself.
const USER_AGENT_CHARACTERS: usize = 200;

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let address = forwarded_for(&parts.headers).or(peer);
        Ok(Self {
            address: address
                .map(|address| address.to_canonical().to_string())
                .unwrap_or_default(),
            user_agent: user_agent(&parts.headers),
        })
    }
}

/// The proxy names exactly one; where more are named, the last one is its own.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers
        .get(USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let shown = |c: &char| !c.is_control() && *c != char::REPLACEMENT_CHARACTER;
    text.unwrap_or_default()
        .chars()
        .filter(shown)
        .take(USER_AGENT_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};

    async fn visitor(fields: &[(&'static str, &[u8])], peer: Option<&str>) -> Visitor {
        let mut request = Request::new(());
        for (name, value) in fields {
            request
                .headers_mut()
                .append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        }
        Visitor::from_request_parts(&mut request.into_parts().0, &())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_address_is_the_proxys_word_or_else_the_connections() {
        let address = async |value: &[u8]| {
            visitor(&[("x-forwarded-for", value)], Some("::ffff:10.0.0.1"))
                .await
                .address
        };
        assert_eq!(address(b"203.0.113.7").await, "203.0.113.7");
        assert_eq!(address(b"198.51.100.1, 2001:db8::1").await, "2001:db8::1");
        assert_eq!(address(b"nonsense").await, "10.0.0.1");
        assert_eq!(visitor(&[], None).await, Visitor::default());
    }

    #[tokio::test]
    async fn of_what_a_client_calls_itself_a_line_is_kept() {
        let long = [b"Mozilla/5.0\t\xff ", "x".repeat(500).as_bytes()].concat();
        let kept = visitor(&[("user-agent", &long)], None).await.user_agent;
        assert!(
            kept.starts_with("Mozilla/5.0 xxx") && kept.len() == USER_AGENT_CHARACTERS,
            "{kept}"
        );
    }
}
