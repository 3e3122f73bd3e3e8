//! The panel's three cookies: the session, what the sign-in's forms are bound to, and a word that is shown once.

use crate::adapters::digest::sha_256;
use crate::http::refresh_cookie::is_tls;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;

pub const SESSION: &str = "sessionid";
pub const FORM: &str = "igny8_panel_form";
pub const NOTE: &str = "igny8_panel_note";

/// The longest value of a cookie that is looked at.
const VALUE_MAX_BYTES: usize = 128;

/// The one value of a cookie; nothing where it stands there twice with two values, or is nothing that we would have written.
#[must_use]
pub fn brought(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut found: Option<&str> = None;
    for pair in fields.flat_map(|field| field.split(';')) {
        let Some((_, value)) = pair.split_once('=').filter(|(key, _)| key.trim() == name) else {
            continue;
        };
        if found.replace(value.trim()).is_some_and(|before| before != value.trim()) {
            return None;
        }
    }
    let ours = |value: &&str| {
        (1..=VALUE_MAX_BYTES).contains(&value.len())
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    found.filter(ours).map(str::to_owned)
}

/// Sets a cookie that no script reads, no other site sends, and no path but the panel's knows. `request` says whether the
/// client speaks TLS.
pub fn set(headers: &mut HeaderMap, request: &HeaderMap, name: &str, value: &str) {
    write(headers, request, name, value, "");
}

/// Makes the browser forget a cookie.
pub fn expire(headers: &mut HeaderMap, request: &HeaderMap, name: &str) {
    write(headers, request, name, "", "; Max-Age=0");
}

fn write(headers: &mut HeaderMap, request: &HeaderMap, name: &str, value: &str, life: &str) {
    let secure = if is_tls(request) { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/admin/; HttpOnly; SameSite=Strict{life}{secure}");
    // What is written here is made of visible characters.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

/// What every form carries that was made for the bearer of this cookie. It tells nothing of the cookie.
#[must_use]
pub fn form_token(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha_256(format!("igny8 panel form\0{cookie}").as_bytes()))
}

/// Whether a form was made for the bearer of this cookie.
#[must_use]
pub fn is_form_of(cookie: &str, given: &str) -> bool {
    form_token(cookie).as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_could_be_ours_is_read() {
        let read = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, field.parse().unwrap());
            }
            brought(&headers, SESSION)
        };
        assert_eq!(read(&["a=1; sessionid=x-Y_9"]).as_deref(), Some("x-Y_9"));
        assert_eq!(read(&["sessionid=x", "sessionid=x"]).as_deref(), Some("x"));
        for fields in [
            &["sessionid=x; sessionid=y"][..],
            &["sessionid=x", "sessionid=y"],
            &["sessionid="],
            &["sessionid=<b>"],
            &["Sessionid=x"],
            &["sessionid"],
            &[],
        ] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn a_form_belongs_to_one_cookie() {
        let token = form_token("one");
        assert!(is_form_of("one", &token));
        for (cookie, given) in [
            ("two", token.as_str()),
            ("one", ""),
            ("one", "one"),
            ("one", &token[1..]),
        ] {
            assert!(!is_form_of(cookie, given), "{cookie} {given}");
        }
    }
}
