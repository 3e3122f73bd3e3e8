//! A plain pass-through on pingora: forwards every request to `UPSTREAM` and decides nothing.
//!
//! It is what the proxy is measured against, in cost (the baseline of the instruction counts) and in safety (the hostile
//! suite must fail against it). Both want it bare: one thread, no compression, no filter.
//!
//! `LISTEN=127.0.0.1:9100 UPSTREAM=127.0.0.1:9000 passthrough`

use async_trait::async_trait;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;
use std::net::SocketAddr;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct PassThrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn address(variable: &str, default: &str) -> std::result::Result<SocketAddr, String> {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    text.parse()
        .map_err(|error| format!("{variable}: `{text}` is no address and port: {error}"))
}

fn main() -> std::result::Result<(), String> {
    let listen = address("LISTEN", "127.0.0.1:9100")?;
    let upstream = address("UPSTREAM", "127.0.0.1:9000")?;
    let configuration = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 512,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, PassThrough { upstream });
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever();
}
