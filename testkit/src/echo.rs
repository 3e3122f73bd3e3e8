//! An app of the test's own: it answers every request with the header block that it received, and answers for sessions
//! as it has been told to.
//!
//! One thread takes connections, one serves each; all end with the test process. It reads plain requests as the proxy sends
//! them and nothing else.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where it answers for sessions.
const INTROSPECTION_PATH: &str = "/internal/session/";

/// What it was asked and what it answers.
#[derive(Debug, Default)]
struct Book {
    /// What it says of a session, by the cookie's value, or by its name and value.
    sessions: BTreeMap<String, Value>,
    /// Values of sessions that it was told to end.
    ended: Vec<String>,
    /// The same with their names: `name=value`.
    ended_cookies: Vec<String>,
    /// The values of the sessions that it was asked about, as often as it was.
    asked: Vec<String>,
    /// `Set-Cookie` values of its answers.
    set_cookies: Vec<String>,
}

/// A running app.
#[derive(Clone, Debug)]
pub struct Echo {
    address: String,
    book: Arc<Mutex<Book>>,
}

impl Echo {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("cannot listen: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"))
            .to_string();
        let echo = Self {
            address,
            book: Arc::default(),
        };
        let served = echo.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let echo = served.clone();
                std::thread::spawn(move || echo.serve(stream));
            }
        });
        echo
    }

    /// Its `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Says what it answers about a session: one of this value, or with `name=value` one of this name, too.
    pub fn tell(&self, session: &str, facts: Value) {
        self.book().sessions.insert(session.to_owned(), facts);
    }

    /// Sets these cookies with every answer from now on.
    pub fn set_cookies(&self, cookies: &[&str]) {
        self.book().set_cookies = cookies.iter().map(|cookie| (*cookie).to_owned()).collect();
    }

    /// The sessions that it was told to end.
    #[must_use]
    pub fn ended(&self) -> Vec<String> {
        self.book().ended.clone()
    }

    /// The same with the cookies' names: `name=value`.
    #[must_use]
    pub fn ended_cookies(&self) -> Vec<String> {
        self.book().ended_cookies.clone()
    }

    /// How often it was asked about a session.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.book().asked.len()
    }

    /// Whether it was asked about a session of this value.
    #[must_use]
    pub fn asked_about(&self, session: &str) -> bool {
        self.book().asked.iter().any(|asked| asked == session)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) {
        let Ok(reader) = stream.try_clone() else { return };
        let (mut reader, mut writer) = (BufReader::new(reader), stream);
        while let Some(head) = read_request(&mut reader) {
            if writer.write_all(self.answer(&head).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, head: &str) -> String {
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut book = self.book();
        if target != INTROSPECTION_PATH {
            let cookies: String = book
                .set_cookies
                .iter()
                .map(|cookie| format!("Set-Cookie: {cookie}\r\n"))
                .collect();
            return response("200 OK", &cookies, head);
        }
        let (cookie, session) = session_of(head);
        if method == "DELETE" {
            book.sessions.remove(&cookie);
            book.sessions.remove(&session);
            book.ended_cookies.push(cookie);
            book.ended.push(session);
            return response("200 OK", "", "");
        }
        let nobody = || serde_json::json!({"authenticated": false});
        let facts = book.sessions.get(&cookie).or_else(|| book.sessions.get(&session));
        let facts = facts.cloned().unwrap_or_else(nobody);
        book.asked.push(session);
        response("200 OK", "Content-Type: application/json\r\n", &facts.to_string())
    }
}

fn response(status: &str, fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The one cookie of a question about a session: the pair, and its value.
fn session_of(head: &str) -> (String, String) {
    let cookie = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .starts_with("cookie:")
                .then(|| line[7..].trim())
        })
        .unwrap_or_default();
    let value = cookie.split_once('=').map_or("", |(_, value)| value);
    (cookie.to_owned(), value.to_owned())
}

/// One request's header block; its body, if it has a length, is read and thrown away.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head.get(start..) == Some("\r\n") {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")
            .map(|text| text.trim().parse())
    });
    let mut body = vec![0; length.and_then(Result::ok).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(head)
}
