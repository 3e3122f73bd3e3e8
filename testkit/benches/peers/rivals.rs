//! The programs that ours is compared with, doing the same job: verify the token, hold its account to a limit, take the session
//! cookie away, put the account in the place of what the client claims, forward.

use crate::keys::{Algorithm, Keys, SECRET};
use igny8_testkit::folder::TestFolder;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::{Child, binary};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// nginx's module, as Debian lays it down.
const NJS_MODULE: &str = "/usr/lib/nginx/modules/ngx_http_js_module.so";

/// A program that has been started.
pub struct Rival {
    pub address: String,
    pub child: Child,
}

/// Where they write, and at which ports they listen.
pub struct Yard {
    folder: TestFolder,
    ports: PortBlock,
}

impl Yard {
    pub fn new() -> Self {
        Self {
            folder: TestFolder::new(),
            ports: PortBlock::claim(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn start(&self, name: &str, place: u16, command: &Command) -> Rival {
        let address = self.ports.address(place);
        let mut child = Child::start(name, command, &self.path(&format!("{name}.log")));
        child.wait_until("a listening program", Duration::from_secs(60), || {
            TcpStream::connect(&address).ok().map(drop)
        });
        Rival { address, child }
    }

    /// The app behind all of them: tells which account and which cookies it received.
    pub fn app(&self) -> Rival {
        let address = self.ports.address(0);
        let server = format!(
            "keepalive_requests 100000000;\nserver {{ listen {address}; default_type application/json;\n\
             return 200 '{{\"account\": \"$http_x_account_id\", \"cookies\": \"$http_cookie\", \"padding\": \"{}\"}}'; }}",
            "x".repeat(120)
        );
        self.nginx("app", 0, "", &server)
    }

    /// A pass-through on the same foundation as ours, that decides nothing.
    pub fn bare(&self, app: &str) -> Rival {
        let mut command = Command::new(binary("passthrough"));
        command.env("LISTEN", self.ports.address(1)).env("UPSTREAM", app);
        self.start("passthrough", 1, &command)
    }

    pub fn haproxy(&self, app: &str, algorithm: Algorithm, keys: &Keys) -> Rival {
        let (name, place) = match algorithm {
            Algorithm::Hs256 => ("haproxy-hs256", 2),
            Algorithm::Rs256 => ("haproxy-rs256", 3),
            Algorithm::Es256 => ("haproxy-es256", 4),
        };
        let key = keys.pem(algorithm).map_or_else(
            || SECRET.to_owned(),
            |pem| self.write(&format!("{name}.pem"), &pem).to_string_lossy().into_owned(),
        );
        let file = self.write(
            &format!("{name}.cfg"),
            &haproxy(&self.ports.address(place), app, algorithm, &key),
        );
        let mut command = Command::new("haproxy");
        // In the foreground, as one process.
        command.arg("-db").arg("-f").arg(file).env("PATH", PROGRAMS);
        self.start(name, place, &command)
    }

    /// nginx with njs; nothing where that module is not installed.
    pub fn njs(&self, app: &str) -> Option<Rival> {
        if !Path::new(NJS_MODULE).exists() {
            return None;
        }
        let script = self.write("judge.js", &judge());
        let before = format!("load_module {NJS_MODULE};");
        let server = format!(
            "js_import judge from {};\njs_set $account judge.account;\njs_set $cookies judge.cookies;\n\
             limit_req_zone $account zone=accounts:10m rate=1000000r/s;\n\
             upstream app {{ server {app}; keepalive 256; keepalive_requests 100000000; }}\n\
             keepalive_requests 100000000;\n\
             server {{ listen {};\nlocation / {{\nif ($account = \"\") {{ return 401; }}\n\
             limit_req zone=accounts burst=100000 nodelay;\n\
             proxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_set_header X-Account-Id $account;\n\
             proxy_set_header Cookie $cookies;\nproxy_pass http://app;\n}} }}",
            script.display(),
            self.ports.address(5)
        );
        Some(self.nginx("nginx-njs", 5, &before, &server))
    }

    /// nginx in one process, with this inside `http`.
    fn nginx(&self, name: &str, place: u16, before: &str, http: &str) -> Rival {
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|what| format!("{what}_temp_path {};\n", self.path(&format!("{name}-{what}")).display()))
            .collect();
        let text = format!(
            "{before}\ndaemon off;\nmaster_process off;\npid {0}.pid;\nerror_log {0}.error;\nevents {{ worker_connections 4096; }}\n\
             http {{\naccess_log off;\n{temporary}{http}\n}}\n",
            self.path(name).display()
        );
        let file = self.write(&format!("{name}.conf"), &text);
        let mut command = Command::new("nginx");
        command.arg("-c").arg(file).env("PATH", PROGRAMS);
        self.start(name, place, &command)
    }
}

/// Debian lays servers down where only root looks.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn haproxy(listen: &str, app: &str, algorithm: Algorithm, key: &str) -> String {
    let (name, issuer) = (algorithm.name(), algorithm.issuer());
    format!(
        r#"global
    nbthread 1
    maxconn 8000

defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 2s
    timeout http-keep-alive 60s
    option http-no-delay
    http-reuse always

frontend public
    bind {listen}
    http-request set-var(txn.token) http_auth_bearer
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str {name} }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify("{name}","{key}") -m int 1 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {issuer} }}
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if {{ var(txn.token),jwt_payload_query('$.exp','int'),sub(txn.now) -m int le 0 }}
    http-request set-var(txn.account) var(txn.token),jwt_payload_query('$.tenant')
    http-request track-sc0 var(txn.account) table accounts
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000 }}
    http-request replace-header Cookie '(.*)sessionid=[^;]*(;\s*)?(.*)' '\1\3'
    http-request set-header X-Account-Id bench-%[var(txn.account)]
    default_backend app

backend accounts
    stick-table type string len 40 size 200k expire 1m store http_req_rate(1s)

backend app
    server app {app} pool-max-conn 1000
"#
    )
}

fn judge() -> String {
    format!(
        r#"import crypto from 'crypto';

function part(text) {{
    return JSON.parse(Buffer.from(text, 'base64url').toString());
}}

function account(request) {{
    const field = request.headersIn['Authorization'] || '';
    const parts = field.startsWith('Bearer ') ? field.slice(7).split('.') : [];
    if (parts.length !== 3) {{
        return '';
    }}
    const sum = crypto.createHmac('sha256', '{SECRET}').update(parts[0] + '.' + parts[1]).digest('base64url');
    if (sum !== parts[2] || part(parts[0]).alg !== 'HS256') {{
        return '';
    }}
    const claims = part(parts[1]);
    if (claims.iss !== '{issuer}' || claims.exp <= Date.now() / 1000) {{
        return '';
    }}
    return 'bench-' + claims.tenant;
}}

function cookies(request) {{
    const field = request.headersIn['Cookie'] || '';
    return field.split('; ').filter((cookie) => !cookie.startsWith('sessionid=')).join('; ');
}}

export default {{ account, cookies }};
"#,
        issuer = Algorithm::Hs256.issuer()
    )
}
