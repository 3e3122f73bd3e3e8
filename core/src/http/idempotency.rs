//! `Idempotency-Key`: a request that is sent again under its key takes effect once and is answered the same.

use super::Service;
use super::answer::Refused;
use super::body::{Bytes, is_json};
use super::object;
use crate::adapters::digest::sha_256;
use crate::app::Fields;
use crate::app::identify::Identity;
use crate::storage::idempotency::{RequestKey, Scope};
use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use igny8_contract::ids::{AccountId, UserId};
use serde::de::DeserializeOwned;

/// The header field.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest key.
const KEY_MAX_BYTES: usize = 255;

/// A JSON object together with the key under which it was sent, if it was.
#[derive(Debug)]
pub struct Keyed<T> {
    pub body: T,
    key: Option<Key>,
}

#[derive(Debug)]
struct Key {
    /// Method and path.
    route: String,
    key: String,
    body_digest: [u8; 32],
}

impl<T> Keyed<T> {
    /// Which request of this user's it is; nothing where it was sent without a key.
    pub fn request_key(&self, identity: Identity) -> Option<RequestKey> {
        let key = self.key.as_ref()?;
        Some(RequestKey {
            scope: scope(identity.account_id, identity.user_id, &key.route, &key.key),
            body_digest: key.body_digest,
        })
    }
}

/// A digest of who asks what under which key. `route` is method and path.
pub(super) fn scope(account: AccountId, user: UserId, route: &str, key: &str) -> Scope {
    let mut context = Context::new(&SHA256);
    for part in [&account.to_string(), &user.to_string(), route, key] {
        // Each part with its length: no two requests run together into one digest.
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    whole(context.finish().as_ref())
}

fn whole(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest);
    bytes
}

impl<T: DeserializeOwned> FromRequest<Service> for Keyed<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Refused> {
        let key = key(request.headers())?;
        let route = format!("{} {}", request.method(), request.uri().path());
        let kind = is_json(request.headers());
        let Bytes(bytes) = Bytes::from_request(request, service).await?;
        // Where every member is optional, no body is an empty object.
        let body = if bytes.is_empty() {
            object::read(b"{}")?
        } else {
            kind?;
            object::read(&bytes)?
        };
        let key = key.map(|key| Key {
            route,
            key,
            body_digest: sha_256(&bytes),
        });
        Ok(Self { body, key })
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let mut fields = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    let bytes = field.as_bytes();
    let well_formed = (1..=KEY_MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if !well_formed || fields.next().is_some() {
        let sentence = "It must be one field of 1 to 255 visible ASCII characters.";
        return Err(Refused::invalid(Fields::from([(
            "Idempotency-Key".into(),
            sentence.into(),
        )])));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::claims::AccountRole;

    #[test]
    fn a_key_is_one_field_of_visible_characters() {
        let read = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(IDEMPOTENCY_KEY, field.parse().unwrap());
            }
            key(&headers)
        };
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["a-1"]).unwrap().as_deref(), Some("a-1"));
        for fields in [&[""][..], &["a b"], &["a", "a"], &[&"x".repeat(256)]] {
            assert!(read(fields).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn the_same_key_of_another_user_account_or_route_is_another_request() {
        let scope = |account, user, route: &str, key: &str| {
            let keyed = Keyed {
                body: (),
                key: Some(Key {
                    route: route.into(),
                    key: key.into(),
                    body_digest: [0; 32],
                }),
            };
            let identity = Identity {
                account_id: AccountId(account),
                user_id: UserId(user),
                role: AccountRole::Owner,
                platform_role: None,
                api_key: None,
            };
            keyed.request_key(identity).unwrap().scope
        };
        let one = scope(1, 2, "POST /a/", "k");
        assert_eq!(one, scope(1, 2, "POST /a/", "k"));
        for other in [
            scope(2, 2, "POST /a/", "k"),
            scope(1, 1, "POST /a/", "k"),
            scope(1, 2, "POST /b/", "k"),
            scope(1, 2, "POST /a/", "l"),
            scope(12, 0, "POST /a/", "k"),
        ] {
            assert_ne!(one, other);
        }
    }
}
