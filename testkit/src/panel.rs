//! Core's own panel at `/admin/`, as a browser signs in to it.

use crate::http::{get, post};
use crate::raw::{Response, SetCookie};

/// Signs in at the proxy's address or at core's own, and gives back the answer.
///
/// # Panics
/// When there is no form to sign in with.
#[must_use]
#[track_caller]
pub fn sign_in(address: &str, email: &str, password: &str) -> Response {
    let page = get(address, "/admin/sign-in/").send();
    assert_eq!(page.status, 200, "{}", page.text());
    let bound = page
        .cookies()
        .into_iter()
        .find(|cookie| cookie.name == "igny8_panel_form");
    let bound = bound.unwrap_or_else(|| panic!("no cookie for the form: {:?}", page.fields));
    let form = format!(
        "csrf={}&once={}&email={}&password={}",
        hidden(&page, "csrf"),
        hidden(&page, "once"),
        email.replace('@', "%40"),
        password.replace(' ', "+")
    );
    post(address, "/admin/sign-in/")
        .cookie(&format!("igny8_panel_form={}", bound.value))
        .field("Origin", &format!("http://{address}"))
        .field("Sec-Fetch-Site", "same-origin")
        .body("application/x-www-form-urlencoded", form.into_bytes())
        .send()
}

/// The session's cookie that an answer sets.
#[must_use]
pub fn session(answer: &Response) -> Option<SetCookie> {
    let mut cookies = answer.cookies().into_iter();
    cookies.find(|cookie| cookie.name == "sessionid" && !cookie.expires_at_once())
}

/// The first hidden field of this name on a page.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn hidden(page: &Response, name: &str) -> String {
    let text = page.text();
    let value = text
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no field {name}: {text}")).to_owned()
}
