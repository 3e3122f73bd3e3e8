//! The edge signature: how an app knows that a request came through the proxy, and on which decision.
//!
//! `X-Igny8-Edge: v1;t=<unix seconds>;rule=<route prefix>;sig=<base64url HMAC-SHA256 without padding>`. The signed bytes
//! are the fields of [`EdgeFields`] in their order, each as its length in bytes (four bytes, big endian) and the bytes
//! themselves, so that no two different requests sign the same bytes. The app accepts 30 seconds of difference in `t`.

/// The version word at the start of the header.
pub const VERSION: &str = "v1";

/// How far `t` may lie from the app's clock, in seconds, either way.
pub const TOLERANCE_SECONDS: i64 = 30;

/// What the key that signs session introspection is derived with: `HMAC-SHA256(edge secret, this)`.
pub const INTROSPECTION_KEY_LABEL: &[u8] = b"igny8 session introspection v1";

/// The `rule` that introspection requests are signed with.
pub const INTROSPECTION_RULE: &str = "introspection";

/// What is signed. A field that a request does not have is empty.
#[derive(Clone, Copy, Debug)]
pub struct EdgeFields<'a> {
    pub method: &'a str,
    /// The Host field as it goes upstream, port included.
    pub host: &'a [u8],
    /// The canonical path, as it goes upstream.
    pub path: &'a [u8],
    /// The query without its `?`, byte for byte.
    pub query: &'a [u8],
    /// The prefix of the route that was decided on.
    pub rule: &'a str,
    pub account: &'a [u8],
    pub user: &'a [u8],
    pub role: &'a [u8],
    pub request_id: &'a [u8],
    /// Unix seconds in decimal digits.
    pub t: &'a str,
}

impl EdgeFields<'_> {
    /// Appends the bytes to sign.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let fields: [&[u8]; 10] = [
            self.method.as_bytes(),
            self.host,
            self.path,
            self.query,
            self.rule.as_bytes(),
            self.account,
            self.user,
            self.role,
            self.request_id,
            self.t.as_bytes(),
        ];
        for field in fields {
            // A header block is at most 32 KiB, so a field's length always fits.
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_what_is_signed() {
        let fields = EdgeFields {
            method: "GET",
            host: b"h",
            path: b"/a",
            query: b"b",
            rule: "/",
            account: b"1",
            user: b"12",
            role: b"owner",
            request_id: b"r",
            t: "1",
        };
        let mut one = Vec::new();
        fields.write_to(&mut one);
        let mut other = Vec::new();
        EdgeFields {
            account: b"11",
            user: b"2",
            ..fields
        }
        .write_to(&mut other);
        assert_ne!(one, other);
        assert_eq!(&one[..7], b"\0\0\0\x03GET");
    }
}
