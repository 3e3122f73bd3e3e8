//! Plain facts: of a connection, and of a request while it is on its way.

use crate::config::Network;
use crate::policy::credential::API_KEY_PREFIX;
use crate::policy::framing::{Body, Framed, Method};
use http::HeaderValue;
use pingora::protocols::Stream;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub ip: IpAddr,
    /// The address as a field value, made once for a connection.
    pub ip_value: HeaderValue,
    /// Whether the peer is a trusted hop, whose word on addresses and schemes is taken.
    pub trusted_hop: bool,
    pub tls: bool,
}

impl Client {
    /// The client of a stream. A stream without an address is nobody's and counts as the unspecified address.
    #[must_use]
    pub fn of(stream: &Stream, trusted_hops: &[Network]) -> Self {
        let digest = stream.get_socket_digest();
        let ip = digest
            .as_ref()
            .and_then(|digest| digest.peer_addr())
            .and_then(|address| address.as_inet())
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
        let trusted_hop = trusted_hops.iter().any(|network| network.contains(ip));
        Self {
            ip,
            ip_value: ip_value(ip),
            trusted_hop,
            tls: stream.get_ssl_digest().is_some(),
        }
    }

    /// Whether a trusted hop asks without saying, in a form that can be read, for whom.
    #[must_use]
    pub fn hop_is_silent(&self, framed: &Framed<'_>, trusted_hops: &[Network]) -> bool {
        self.trusted_hop && Heard::of(framed, trusted_hops).is_cut_off
    }

    /// The client of one request: through trusted hops it is the rightmost address that is not a trusted hop itself.
    #[must_use]
    pub fn behind_hops(&self, framed: &Framed<'_>, trusted_hops: &[Network]) -> Self {
        let ip = Heard::of(framed, trusted_hops).farthest.unwrap_or(self.ip);
        let https = framed
            .forwarded_proto()
            .is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"));
        Self {
            ip,
            ip_value: ip_value(ip),
            trusted_hop: true,
            tls: self.tls || https,
        }
    }
}

/// What trusted hops say of the client of one request.
struct Heard {
    /// The last address that was told by somebody who is believed.
    farthest: Option<IpAddr>,
    /// A hop that is believed has not said, in a form that can be read, who asked it.
    is_cut_off: bool,
}

impl Heard {
    /// Walks the list from the right: each hop that is trusted is believed about the one before it. The header block bounds
    /// how far.
    fn of(framed: &Framed<'_>, trusted_hops: &[Network]) -> Self {
        let mut farthest = None;
        for element in framed.forwarded_for() {
            let text = std::str::from_utf8(element).unwrap_or_default();
            let Ok(address) = text.trim().parse::<IpAddr>() else {
                return Self {
                    farthest,
                    is_cut_off: true,
                };
            };
            let address = address.to_canonical();
            farthest = Some(address);
            if !trusted_hops.iter().any(|network| network.contains(address)) {
                break;
            }
        }
        Self {
            farthest,
            is_cut_off: farthest.is_none(),
        }
    }
}

fn ip_value(ip: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// What is remembered of a request when everything borrowed from it has gone into the policy.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub method: Method,
    pub accept: Option<&'a [u8]>,
    pub origin: Option<&'a [u8]>,
    pub target: &'a [u8],
    pub host: Option<&'a [u8]>,
    pub brought: Brought,
    /// Names of session cookies that are not the configured ones.
    pub session_spellings: Vec<String>,
    pub has_body: bool,
    pub close: bool,
    pub names_connection: bool,
}

impl<'a> Seen<'a> {
    #[must_use]
    pub fn of(framed: &Framed<'a>) -> Self {
        Self {
            method: framed.method,
            accept: framed.accept,
            origin: framed.origin,
            target: framed.target,
            host: framed.host,
            brought: Brought::of(framed),
            session_spellings: Vec::new(),
            has_body: framed.body != Body::None,
            close: framed.close || (framed.http10 && !framed.keep_alive),
            names_connection: framed.close || framed.http10,
        }
    }
}

/// Which credentials a client sent, for the log: no more than that they were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought(u8);

impl Brought {
    const BEARER: u8 = 1;
    const KEY: u8 = 2;
    const SESSION: u8 = 4;
    const WORDS: [&str; 8] = [
        "",
        "bearer",
        "key",
        "bearer,key",
        "session",
        "bearer,session",
        "key,session",
        "bearer,key,session",
    ];

    /// What the credential fields say; an API key may also come as a bearer.
    #[must_use]
    pub fn of(framed: &Framed<'_>) -> Self {
        let bearer = match framed.authorization {
            None => 0,
            Some(value) if value.get(7..).is_some_and(|rest| rest.starts_with(API_KEY_PREFIX)) => Self::KEY,
            Some(_) => Self::BEARER,
        };
        let key = if framed.api_key.is_some() { Self::KEY } else { 0 };
        Self(bearer | key)
    }

    /// With a session, too, if there was one.
    #[must_use]
    pub const fn with_session(self, session: bool) -> Self {
        if session { Self(self.0 | Self::SESSION) } else { self }
    }

    /// The words for the log.
    #[must_use]
    pub fn words(self) -> &'static str {
        Self::WORDS.get(usize::from(self.0)).copied().unwrap_or("")
    }
}

/// A request's id: 32 hex digits, unique among all proxies, also a W3C trace id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only hex digits are ever written.
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// A `traceparent` (W3C Trace Context, section 3.2) that starts a trace with this request.
    #[must_use]
    pub fn traceparent(&self) -> [u8; 55] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-01";
        value[3..35].copy_from_slice(&self.0);
        value[36..52].copy_from_slice(&self.0[16..]);
        value
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes request ids: a random start for the process, then a count that is mixed so that neighbours do not look alike.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    seed: u64,
    count: AtomicU64,
}

impl RequestIds {
    /// `seed` is random.
    #[must_use]
    pub fn new(seed: [u8; 16]) -> Self {
        let (process, seed) = seed.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        Self {
            process: number(process) | 1,
            seed: number(seed),
            count: AtomicU64::new(0),
        }
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // An odd multiplier permutes the 64-bit numbers: no id comes twice before 2^64 requests.
        let mixed = self.seed.wrapping_add(count).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut id = [0; 32];
        write_hex(&mut id[..16], self.process);
        write_hex(&mut id[16..], mixed ^ (mixed >> 32));
        RequestId(id)
    }
}

fn write_hex(out: &mut [u8], number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Whether a client's `traceparent` is well-formed and starts a trace at all.
#[must_use]
pub fn is_traceparent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    value.len() == 55
        && value.starts_with(b"00-")
        && value[35] == b'-'
        && value[52] == b'-'
        && [&value[3..35], &value[36..52], &value[53..]].into_iter().all(hex)
        && value[3..35].iter().any(|byte| *byte != b'0')
        && value[36..52].iter().any(|byte| *byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::framing;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_make_valid_trace_parents() {
        let ids = RequestIds::new(*b"0123456789abcdef");
        let all: HashSet<String> = (0..10_000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(all.len(), 10_000);
        assert!(is_traceparent(&ids.next().traceparent()));
        for wrong in [&b""[..], b"00-0-0-01", &[b'0'; 55]] {
            assert!(!is_traceparent(wrong));
        }
    }

    #[test]
    fn a_hop_that_does_not_say_for_whom_it_asks_is_silent() {
        let hops = [Network::parse("10.0.0.0/8").unwrap()];
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        let client = |trusted_hop| Client {
            ip,
            ip_value: ip_value(ip),
            trusted_hop,
            tls: false,
        };
        let silent = |client: Client, field: &str| {
            let block = format!("GET / HTTP/1.1\r\n{field}\r\n");
            client.hop_is_silent(&framing::parse(block.as_bytes()).unwrap(), &hops)
        };
        assert!(silent(client(true), ""));
        assert!(silent(client(true), "X-Forwarded-For: 1.2.3.4, junk\r\n"));
        assert!(silent(client(true), "X-Forwarded-For: junk, 10.9.9.9\r\n"));
        assert!(silent(client(true), "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For:\r\n"));
        assert!(silent(
            client(true),
            "X-Forwarded-For: junk\r\nX-Forwarded-For: 10.9.9.9\r\n"
        ));
        assert!(!silent(client(true), "X-Forwarded-For: 1.2.3.4\r\n"));
        assert!(!silent(client(true), "X-Forwarded-For: junk, 1.2.3.4\r\n"));
        assert!(!silent(client(false), ""));
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_no_trusted_hop_owns() {
        let hops = [Network::parse("10.0.0.0/8").unwrap()];
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        let hop = Client {
            ip,
            ip_value: ip_value(ip),
            trusted_hop: true,
            tls: false,
        };
        for (list, client) in [
            ("1.2.3.4", "1.2.3.4"),
            ("6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
            ("10.1.1.1", "10.1.1.1"),
            ("1.2.3.4, junk", "10.0.0.1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            // Several lines are one list, however it is cut into lines.
            ("8.8.8.8\r\nX-Forwarded-For: 10.0.0.5", "8.8.8.8"),
            (
                "8.8.8.8, 10.0.0.5\r\nx-forwarded-for: 10.0.0.6\r\nX-FORWARDED-FOR: 10.0.0.7",
                "8.8.8.8",
            ),
            ("6.6.6.6\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.5", "1.2.3.4"),
            ("8.8.8.8\r\nX-Forwarded-For: junk, 10.0.0.5", "10.0.0.5"),
        ] {
            let block = format!("GET / HTTP/1.1\r\nX-Forwarded-For: {list}\r\nX-Forwarded-Proto: https\r\n\r\n");
            let found = hop.behind_hops(&framing::parse(block.as_bytes()).unwrap(), &hops);
            assert_eq!(found.ip_value, client, "{list}");
            assert!(found.tls);
        }
    }

    #[test]
    fn of_several_words_on_the_scheme_the_nearest_hop_has_the_last() {
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        let hop = Client {
            ip,
            ip_value: ip_value(ip),
            trusted_hop: true,
            tls: false,
        };
        for (fields, tls) in [
            ("X-Forwarded-Proto: https\r\n", true),
            ("X-Forwarded-Proto: http\r\nX-Forwarded-Proto: HTTPS\r\n", true),
            ("X-Forwarded-Proto: http, https\r\n", true),
            ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", false),
            ("X-Forwarded-Proto: https, http\r\n", false),
            ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto:\r\n", false),
            ("", false),
        ] {
            let block = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            let found = hop.behind_hops(&framing::parse(block.as_bytes()).unwrap(), &[]);
            assert_eq!(found.tls, tls, "{fields}");
        }
    }
}
