//! A small HTTP client for well-behaved requests, one connection each, on top of [`crate::raw`].

use crate::raw::{Connection, PATIENCE, ReadError, Response};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// A request being put together.
#[derive(Clone, Debug)]
pub struct Request {
    address: String,
    method: String,
    target: String,
    fields: String,
    has_host: bool,
    body: Option<Vec<u8>>,
    patience: Duration,
}

/// A GET request to `target` at `address`.
#[must_use]
pub fn get(address: &str, target: &str) -> Request {
    request(address, "GET", target)
}

/// A POST request to `target` at `address`.
#[must_use]
pub fn post(address: &str, target: &str) -> Request {
    request(address, "POST", target)
}

/// A request with any method.
#[must_use]
pub fn request(address: &str, method: &str, target: &str) -> Request {
    Request {
        address: address.to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        fields: String::new(),
        has_host: false,
        body: None,
        patience: PATIENCE,
    }
}

impl Request {
    /// Adds a field. A `Host` given here takes the place of the address.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name.eq_ignore_ascii_case("host");
        let _infallible = write!(self.fields, "{name}: {value}\r\n");
        self
    }

    /// Adds `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.field("Authorization", &format!("Bearer {token}"))
    }

    /// Adds a `Cookie` field.
    #[must_use]
    pub fn cookie(self, cookies: &str) -> Self {
        self.field("Cookie", cookies)
    }

    /// Sends this JSON as the body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string().into_bytes())
    }

    /// Sends these bytes as the body.
    #[must_use]
    pub fn body(self, content_type: &str, body: Vec<u8>) -> Self {
        let mut with = self.field("Content-Type", content_type);
        with.body = Some(body);
        with
    }

    /// Waits this long for the answer instead of [`PATIENCE`].
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    /// When there is no connection or no answer.
    pub fn try_send(&self) -> Result<Response, ReadError> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has_host {
            let _infallible = write!(bytes, "Host: {}\r\n", self.address);
        }
        bytes.push_str(&self.fields);
        bytes.push_str("Connection: close\r\n");
        if let Some(body) = &self.body {
            let _infallible = write!(bytes, "Content-Length: {}\r\n", body.len());
        } else if matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            bytes.push_str("Content-Length: 0\r\n");
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        let mut connection = Connection::open(&self.address).map_err(ReadError::Io)?;
        // A server may answer a large body before it has read all of it: what counts is the answer.
        let sent = connection.send(&bytes);
        let answer = connection.read_response_to(&self.method, self.patience);
        match (sent, answer) {
            (_, Ok(response)) => Ok(response),
            (Err(error), Err(_)) => Err(ReadError::Io(error)),
            (Ok(()), Err(error)) => Err(error),
        }
    }

    /// Sends the request and reads the answer.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    #[track_caller]
    pub fn send(&self) -> Response {
        self.try_send()
            .unwrap_or_else(|error| panic!("{} {} at {}: {error:?}", self.method, self.target, self.address))
    }
}
