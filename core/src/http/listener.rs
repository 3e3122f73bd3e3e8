//! One listener: accepts, serves HTTP/1.1, and lets requests under way finish when it is told to stop.

use super::routes::Whole;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tower::{Service, ServiceExt};

/// How long a connection may take to send a header block, waiting for its first byte included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a header block may come to.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Serves `whole` until `stop` turns true, then lets every connection finish its request. Each connection holds a copy of
/// `open` while it lives.
pub async fn serve(listener: TcpListener, whole: Whole, mut stop: watch::Receiver<bool>, open: mpsc::Sender<()>) {
    loop {
        let accepted = tokio::select! {
            () = told(&mut stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let whole = whole.clone().map_request(move |mut request: Request<Body>| {
                    request.extensions_mut().insert(Peer(peer.ip()));
                    request
                });
                tokio::spawn(connection(stream, whole, stop.clone(), open.clone()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: asking again at once would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Returns once `stop` is true. A guard of the channel must not live across another await.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn connection<W>(stream: TcpStream, whole: W, mut stop: watch::Receiver<bool>, _open: mpsc::Sender<()>)
where
    W: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    W::Future: Send,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no nodelay");
    }
    let service = TowerToHyperService::new(whole.map_request(|request: Request<Incoming>| request.map(Body::new)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        // Who sends a whole request and closes at once has asked all the same: the request is not dropped half-way.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke off");
    }
}
