//! Core's own panel at `/admin/`, as browsers and those who are none meet it.

mod acts;
mod pages;
mod proxies;
mod sessions;

use super::site::{PASSWORD, Server, Site, new_email};
use igny8_testkit::raw::Response;
use std::collections::BTreeMap;

/// A browser as far as the panel can tell: it keeps cookies and sends forms.
pub struct Browser<'a> {
    server: &'a Server,
    pub cookies: BTreeMap<String, String>,
}

pub type Form = BTreeMap<String, String>;

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// The hidden and filled fields of the form on a page that goes to `action`.
#[track_caller]
pub fn form(page: &Response, action: &str) -> Form {
    let text = page.text();
    let start = text
        .find(&format!("action=\"{action}\""))
        .unwrap_or_else(|| panic!("no form to {action}: {text}"));
    let form = text[start..].split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(
            rest.split('"')
                .next()?
                .replace("&amp;", "&")
                .replace("&#x27;", "'")
                .replace("&#x2f;", "/"),
        )
    };
    form.split("<input")
        .skip(1)
        .filter_map(|tag| {
            let tag = tag.split('>').next()?;
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
        })
        .collect()
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
        }
    }

    fn cookie_field(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: Response) -> Response {
        for cookie in answer.cookies() {
            if cookie.expires_at_once() {
                self.cookies.remove(&cookie.name);
            } else {
                assert_eq!(cookie.attribute("path"), Some("/admin/"));
                assert_eq!(cookie.attribute("samesite"), Some("Strict"));
                assert!(cookie.attribute("httponly").is_some(), "{cookie:?}");
                self.cookies.insert(cookie.name, cookie.value);
            }
        }
        answer
    }

    pub fn get(&mut self, path: &str) -> Response {
        let request = self.server.get(path).cookie(&self.cookie_field());
        self.keep(request.send())
    }

    pub fn post(&mut self, path: &str, form: &Form) -> Response {
        self.post_with(path, form, &[])
    }

    /// Sends a form, with more fields in the request's head.
    pub fn post_with(&mut self, path: &str, form: &Form, fields: &[(&str, &str)]) -> Response {
        let pairs: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let mut request = self.server.post(path).cookie(&self.cookie_field());
        for (name, value) in fields {
            request = request.field(name, value);
        }
        let request = request.body("application/x-www-form-urlencoded", pairs.join("&").into_bytes());
        self.keep(request.send())
    }

    /// Loads `page`, fills in the form to `action` and sends it.
    #[track_caller]
    pub fn send(&mut self, page: &str, action: &str, values: &[(&str, &str)]) -> Response {
        let mut form = form(&self.get(page), action);
        form.extend(
            values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.post(action, &form)
    }

    /// The first step of signing in.
    pub fn sign_in(&mut self, email: &str, password: &str) -> Response {
        self.send(
            "/admin/sign-in/",
            "/admin/sign-in/",
            &[("email", email), ("password", password)],
        )
    }

    /// A browser in which a new member of staff is signed in.
    pub fn of_staff(site: &Site, server: &'a Server, role: &str) -> Self {
        let email = make_staff(site, role);
        let mut browser = Self::new(server);
        let answer = browser.sign_in(&email, PASSWORD);
        assert_eq!(
            (answer.status, answer.field("location")),
            (303, Some("/admin/")),
            "{}",
            answer.text()
        );
        browser
    }
}

/// A member of staff, made by command.
pub fn make_staff(site: &Site, role: &str) -> String {
    let email = new_email();
    let mut command = site.command(&["staff", "create", "--email", &email, "--platform-role", role]);
    igny8_testkit::process::run(command.env("IGNY8_STAFF_PASSWORD", PASSWORD));
    email
}
