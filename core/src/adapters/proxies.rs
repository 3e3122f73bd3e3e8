//! Asking proxies for their metrics, for the panel. They are those that the configuration names, and no others.

use axum::body::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// The longest answer.
const LONGEST_BYTES: usize = 4 << 20;

/// The metrics of the proxy whose ops listener is at `address`, a host and a port.
///
/// # Errors
/// Why there is no answer, in words for people.
pub async fn metrics(address: &str) -> Result<String, String> {
    match tokio::time::timeout(DEADLINE, ask(address)).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer in time".into()),
    }
}

async fn ask(address: &str) -> Result<String, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let in_words = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(in_words)?;
    // It ends with the answer, or when the sender is dropped.
    let connection = tokio::spawn(connection);
    let request = Request::get("/metrics")
        .header("host", address)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(in_words)?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answers {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), LONGEST_BYTES).collect().await;
    connection.abort();
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    String::from_utf8(body.to_vec()).map_err(|_| "its answer is no text".into())
}
