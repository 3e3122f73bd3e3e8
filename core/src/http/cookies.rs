//! The cookies that signing out expires: every one that is or ever was ours.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

/// A cookie is known by name and path: `sessionid` may stand at two.
const EXPIRED: [&str; 4] = [
    "sessionid=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict",
    "sessionid=; Path=/admin/; Max-Age=0; HttpOnly; SameSite=Strict",
    "igny8_refresh=; Path=/api/v1/auth/; Max-Age=0; HttpOnly; SameSite=Strict",
    "__Host-igny8_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
];

/// Expires them.
pub fn expire_all(headers: &mut HeaderMap) {
    for cookie in EXPIRED {
        headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
    }
}
