//! A raw HTTP/1 client: it sends exactly the bytes it is given and reads answers strictly, one at a time.

use crate::wait::Deadline;
use serde_json::Value;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long an answer may take unless a test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One connection, with what was received on it and not yet read.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One answer. Field names keep the case in which they came.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why no answer could be read.
#[derive(Debug)]
pub enum ReadError {
    /// The peer closed the connection before the first byte of an answer.
    Closed,
    /// The deadline passed; what had been received so far.
    TimedOut(Vec<u8>),
    /// The peer sent something that is no answer, or closed in the middle of one.
    Malformed(String),
    Io(io::Error),
}

impl Connection {
    /// Connects to `address` (`host:port`).
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// Whatever the system says; a peer that has refused may have closed already.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Reads the next final answer to a request with a method other than HEAD; interim ones (1xx) are passed over.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_response(&mut self, limit: Duration) -> Result<Response, ReadError> {
        self.read_response_to("GET", limit)
    }

    /// Reads the next final answer to a request with this method.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_response_to(&mut self, method: &str, limit: Duration) -> Result<Response, ReadError> {
        let deadline = Deadline::after(limit);
        loop {
            let head = self.read_head(deadline)?;
            let mut response = parse_head(&head)?;
            if (100..200).contains(&response.status) && response.status != 101 {
                continue;
            }
            if method != "HEAD" && !matches!(response.status, 101 | 204 | 304) {
                response.body = self.read_body(&response, deadline)?;
            }
            return Ok(response);
        }
    }

    /// Reads until the peer closes, and gives everything back. Nothing when the deadline passes first.
    #[must_use]
    pub fn read_to_end(mut self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Deadline::after(limit);
        loop {
            match self.receive(deadline) {
                Ok(true) => {}
                // A reset after an answer is a close as well.
                Ok(false) | Err(ReadError::Io(_)) => return Some(self.received),
                Err(_) => return None,
            }
        }
    }

    /// Whether the peer has closed, or closes before the deadline passes, without sending anything more.
    #[must_use]
    pub fn is_closed_within(self, limit: Duration) -> bool {
        self.read_to_end(limit).is_some_and(|rest| rest.is_empty())
    }

    fn read_head(&mut self, deadline: Deadline) -> Result<Vec<u8>, ReadError> {
        loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                return Ok(self.received.drain(..end + 4).collect());
            }
            if !self.receive(deadline)? {
                return Err(if self.received.is_empty() {
                    ReadError::Closed
                } else {
                    ReadError::Malformed(format!("closed in a head: {}", self.received.escape_ascii()))
                });
            }
        }
    }

    fn read_body(&mut self, response: &Response, deadline: Deadline) -> Result<Vec<u8>, ReadError> {
        if response
            .field("Transfer-Encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return self.read_chunks(deadline);
        }
        if let Some(length) = response.field("Content-Length") {
            let length = length
                .parse()
                .map_err(|_| ReadError::Malformed(format!("Content-Length: {length}")))?;
            return self.read_exactly(length, deadline);
        }
        while self.receive(deadline)? {}
        Ok(std::mem::take(&mut self.received))
    }

    fn read_chunks(&mut self, deadline: Deadline) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line(deadline)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| ReadError::Malformed(format!("chunk {line:?}")))?;
            if size == 0 {
                while !self.read_line(deadline)?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.read_exactly(size, deadline)?);
            self.read_line(deadline)?;
        }
    }

    fn read_line(&mut self, deadline: Deadline) -> Result<String, ReadError> {
        loop {
            if let Some(end) = find(&self.received, b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.receive(deadline)? {
                return Err(ReadError::Malformed("closed in a chunk".into()));
            }
        }
    }

    fn read_exactly(&mut self, length: usize, deadline: Deadline) -> Result<Vec<u8>, ReadError> {
        while self.received.len() < length {
            if !self.receive(deadline)? {
                let got = self.received.len();
                return Err(ReadError::Malformed(format!(
                    "closed after {got} of {length} bytes of a body"
                )));
            }
        }
        Ok(self.received.drain(..length).collect())
    }

    /// Receives something; false when the peer has closed.
    fn receive(&mut self, deadline: Deadline) -> Result<bool, ReadError> {
        let Some(left) = deadline.remaining() else {
            return Err(ReadError::TimedOut(self.received.clone()));
        };
        self.stream.set_read_timeout(Some(left)).map_err(ReadError::Io)?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(ReadError::TimedOut(self.received.clone()))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(ReadError::Io(error)),
        }
    }
}

impl Response {
    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Every field of this name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}) in this {}: {}", self.status, self.text()))
    }

    /// The `code` of a refusal; empty when there is none.
    #[must_use]
    pub fn code(&self) -> String {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        body.and_then(|body| body["code"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The cookies that this answer sets.
    #[must_use]
    pub fn cookies(&self) -> Vec<SetCookie> {
        self.all("Set-Cookie").into_iter().map(SetCookie::parse).collect()
    }
}

/// One `Set-Cookie` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    pub name: String,
    pub value: String,
    /// Attribute names in lower case, each with its value (empty where it has none).
    pub attributes: Vec<(String, String)>,
}

impl SetCookie {
    fn parse(field: &str) -> Self {
        let mut parts = field.split(';').map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.trim().to_owned(), value.trim().to_owned())
        });
        let (name, value) = parts.next().unwrap_or_default();
        Self {
            name,
            value,
            attributes: parts.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        }
    }

    /// The value of an attribute, named in lower case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a browser forgets the cookie on reading this (RFC 6265, section 5.3: `Max-Age` goes before `Expires`).
    #[must_use]
    pub fn expires_at_once(&self) -> bool {
        match self.attribute("max-age").map(str::parse::<i64>) {
            Some(seconds) => seconds.is_ok_and(|seconds| seconds <= 0),
            None => self.attribute("expires").is_some_and(|date| date.contains("1970")),
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Response, ReadError> {
    let malformed = || ReadError::Malformed(format!("no HTTP/1 answer: {}", head.escape_ascii()));
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .ok_or_else(malformed)?;
    let status = status.parse().map_err(|_| malformed())?;
    let mut fields = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(Response {
        status,
        fields,
        body: Vec::new(),
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A connection to a peer that says `bytes` and closes.
    fn connection_to_one_who_says(bytes: &'static [u8]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = Connection::open(&listener.local_addr().unwrap().to_string()).unwrap();
        listener.accept().unwrap().0.write_all(bytes).unwrap();
        connection
    }

    #[test]
    fn answers_on_one_connection_are_read_one_by_one() {
        let mut connection = connection_to_one_who_says(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 404 No\r\n\
              Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\nHTTP/1.0 500 Bad\r\n\r\nrest",
        );
        let first = connection.read_response(PATIENCE).unwrap();
        assert_eq!((first.status, first.text().as_str()), (200, "hi"));
        let second = connection.read_response(PATIENCE).unwrap();
        assert_eq!((second.status, second.text().as_str()), (404, "abcd"));
        let third = connection.read_response(PATIENCE).unwrap();
        assert_eq!((third.status, third.text().as_str()), (500, "rest"));
        assert!(matches!(connection.read_response(PATIENCE), Err(ReadError::Closed)));
    }

    #[test]
    fn an_answer_that_breaks_off_is_no_answer() {
        for bytes in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            b"HTTP/1.1 200 OK\r\nConte",
            b"SSH-2.0\r\n\r\n",
        ] {
            let mut connection = connection_to_one_who_says(bytes);
            assert!(matches!(
                connection.read_response(PATIENCE),
                Err(ReadError::Malformed(_))
            ));
        }
    }

    #[test]
    fn a_cookie_with_no_age_or_an_old_date_is_expired() {
        assert!(SetCookie::parse("a=; Max-Age=0; Path=/").expires_at_once());
        assert!(SetCookie::parse("a=; expires=Thu, 01 Jan 1970 00:00:00 GMT").expires_at_once());
        assert!(!SetCookie::parse("a=b; Max-Age=10; expires=Thu, 01 Jan 1970 00:00:00 GMT").expires_at_once());
        assert!(!SetCookie::parse("a=b").expires_at_once());
    }
}
