//! People who keep their refresh tokens themselves, and what they do with them.

use super::site::{PASSWORD, Server, Site, new_email};
use igny8_testkit::raw::Response;
use igny8_testkit::smtp::token;
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

pub const NEW_PASSWORD: &str = "harbour-quilt-58-lantern";

/// A pair of tokens.
#[derive(Clone, Debug)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl Pair {
    /// Of an answer that gave one in its body.
    #[track_caller]
    pub fn of(answer: &Response) -> Self {
        assert!(
            (200..300).contains(&answer.status),
            "{}: {}",
            answer.status,
            answer.text()
        );
        let data = &answer.json()["data"];
        let text = |name: &str| {
            data[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}: {data}"))
                .to_owned()
        };
        Self {
            access: text("access"),
            refresh: text("refresh"),
        }
    }
}

/// Somebody new, and their first pair.
pub fn join(server: &Server) -> (String, Pair) {
    let email = new_email();
    let body = json!({"email": email, "password": PASSWORD, "refresh_delivery": "body"});
    let pair = Pair::of(&server.register(&body));
    (email, pair)
}

pub fn login(server: &Server, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "password": password, "refresh_delivery": "body"});
    server.post("/api/v1/auth/login/").json(&body).send()
}

pub fn refresh(server: &Server, token: &str) -> Response {
    server
        .post("/api/v1/auth/refresh/")
        .json(&json!({"refresh": token}))
        .send()
}

/// Whether an access token works.
pub fn works(server: &Server, access: &str) -> bool {
    server.get("/api/v1/auth/me/").bearer(access).send().status == 200
}

/// Posts a body under `auth/`, as somebody or as nobody.
pub fn post(server: &Server, path: &str, access: Option<&str>, body: &Value) -> Response {
    let request = server.post(&format!("/api/v1/auth/{path}")).json(body);
    access
        .into_iter()
        .fold(request, |request, access| request.bearer(access))
        .send()
}

/// Every mail that was laid down for an address, the oldest first.
pub fn mails(site: &Site, email: &str) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(site.folder.path().join("mail")) else {
        return Vec::new();
    };
    let mut mails: Vec<(i64, String)> = folder
        .filter_map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem()?.to_str()?;
            // What is being written begins with a dot.
            let made = name.split('-').next()?.parse().ok()?;
            let text = std::fs::read_to_string(&path).unwrap();
            text.contains(&format!("To: {email}\r\n")).then_some((made, text))
        })
        .collect();
    mails.sort();
    mails.into_iter().map(|(_, text)| text).collect()
}

/// Waits for so many mails with a link of this page, and gives back the token of the last.
#[track_caller]
pub fn link(site: &Site, email: &str, page: &str, count: usize) -> String {
    wait_until(
        &format!("{count} mails to {email} about {page}"),
        Duration::from_secs(30),
        || {
            let about = mails(site, email).into_iter().filter(|mail| mail.contains(page));
            let all: Vec<String> = about.collect();
            (all.len() >= count).then(|| token(&all[count - 1]))
        },
    )
}

/// Asks for a mail to reset a password, and gives back its token. It is the `count`th.
#[track_caller]
pub fn reset_link(site: &Site, server: &Server, email: &str, count: usize) -> String {
    let answer = post(server, "password-reset/", None, &json!({"email": email}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    link(site, email, "/reset-password#", count)
}
