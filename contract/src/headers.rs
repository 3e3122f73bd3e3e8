//! Header field names that both sides know.

/// The account a request acts for, in decimal digits. Only the proxy sets it.
pub const ACCOUNT_ID: &str = "X-Account-Id";
/// The user a request acts for, in decimal digits. Only the proxy sets it.
pub const USER_ID: &str = "X-User-Id";
/// The user's account role. Only the proxy sets it.
pub const USER_ROLE: &str = "X-User-Role";
/// One id from the edge to the database.
pub const REQUEST_ID: &str = "X-Request-Id";
/// The edge signature, see [`crate::edge`].
pub const EDGE: &str = "X-Igny8-Edge";

/// Field-name prefixes that are removed from every request and from every answer: only the proxy speaks them.
pub const OWNED_PREFIXES: [&str; 4] = ["x-account-", "x-user-", "x-igny8-", "x-forwarded-"];

/// Field names that are removed from every request and from every answer, beside [`OWNED_PREFIXES`].
pub const OWNED_NAMES: [&str; 11] = [
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-http-method-override",
    "x-method-override",
    "script-name",
    "path-info",
    "remote-user",
    "proxy",
];

/// Whether a field of this name (in any case) belongs to the proxy alone.
#[must_use]
pub fn is_owned(name: &[u8]) -> bool {
    OWNED_PREFIXES
        .iter()
        .any(|prefix| name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes()))
        || OWNED_NAMES
            .iter()
            .any(|owned| name.eq_ignore_ascii_case(owned.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_fields_are_owned_in_any_case() {
        for name in [
            "X-Account-Id",
            "x-account-anything",
            "X-USER-ROLE",
            "X-Forwarded-For",
            "forwarded",
            "Script-Name",
            "PROXY",
        ] {
            assert!(is_owned(name.as_bytes()), "{name}");
        }
        for name in ["Accept", "X-Account", "Proxy-Thing", "X-Request-Id", "Cookie"] {
            assert!(!is_owned(name.as_bytes()), "{name}");
        }
    }
}
