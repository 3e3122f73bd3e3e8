//! The header block that goes on: the client's part of the request, then what only the proxy says, signed.

use super::Way;
use crate::config::Upstream;
use crate::facts::RequestId;
use crate::policy::Permit;
use crate::policy::edits::OwnFields;
use crate::policy::identity::Identity;
use http::HeaderValue;
use igny8_contract::edge::EdgeFields;
use igny8_contract::headers;

impl Way<'_> {
    /// Writes what goes upstream: the client's part of the request, then what only the proxy says.
    pub(super) fn write_block(
        &self,
        permit: &Permit<'_>,
        request_id: &RequestId,
        trace: Option<&[u8]>,
        out: &mut bytes::BytesMut,
    ) {
        let routed = permit.routed();
        let upstream = &self.gate.config.upstreams[routed.route().upstream];
        let identity = permit.identity();
        let of =
            |value: fn(&Identity) -> &HeaderValue| identity.map_or(&b""[..], |identity| value(identity).as_bytes());
        let account = told(upstream, OwnFields::Account, of(|identity| &identity.account_value));
        let user = told(upstream, OwnFields::User, of(|identity| &identity.user_value));
        let role = told(upstream, OwnFields::Role, of(|identity| &identity.role_value));
        let id = told(upstream, OwnFields::RequestId, request_id.as_str().as_bytes());
        let host = routed.framed().host.unwrap_or_default();
        let proto: &[u8] = if self.client.tls { b"https" } else { b"http" };
        let mut digits = itoa::Buffer::new();
        let started = upstream
            .fields
            .contains(OwnFields::Trace)
            .then(|| request_id.traceparent());
        let started = started.as_ref().map_or(&b""[..], |trace| trace);
        let mut signature = Vec::new();
        if let Some(key) = &upstream.edge_key {
            signature.reserve(256);
            let fields = EdgeFields {
                method: routed.framed().method.as_str(),
                host,
                path: routed.canonical().path.as_bytes(),
                query: routed.canonical().query.unwrap_or("").as_bytes(),
                rule: routed.route().label(),
                account,
                user,
                role,
                request_id: id,
                t: digits.format(self.now.unix_seconds()),
            };
            key.sign(&fields, &mut signature);
        }
        let own = [
            ("Authorization", permit.authorization()),
            (headers::ACCOUNT_ID, account),
            (headers::USER_ID, user),
            (headers::USER_ROLE, role),
            (headers::REQUEST_ID, id),
            (
                "X-Forwarded-For",
                told(upstream, OwnFields::Forwarded, self.client.ip_value.as_bytes()),
            ),
            ("X-Forwarded-Proto", told(upstream, OwnFields::Forwarded, proto)),
            ("X-Forwarded-Host", told(upstream, OwnFields::Forwarded, host)),
            (
                "traceparent",
                told(upstream, OwnFields::Trace, trace.unwrap_or(started)),
            ),
            (headers::EDGE, &signature),
        ];
        permit.write_block(out, &own);
    }
}

/// What an upstream is told of a field: its value, or nothing where its configuration leaves it out.
fn told<'v>(upstream: &Upstream, field: OwnFields, value: &'v [u8]) -> &'v [u8] {
    if upstream.fields.contains(field) { value } else { b"" }
}
