//! HTTP/2 by hand: frames as bytes, right or wrong, and what came back (RFC 9113, RFC 7541).
//!
//! Nothing here knows what is allowed. A test puts frames together and lets `http2.py` carry the bytes through TLS.

mod blocks;
mod fields;
pub mod rows;

use crate::edge::http2;
use serde_json::Value;
use std::fmt::Write as _;

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames. `ACK` and `END_STREAM` are the same bit.
pub mod flag {
    pub const NONE: u8 = 0;
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
}

/// One frame, whatever it says.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    // A payload of 16 MiB and more has no length; none is made here.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// The preface and empty settings.
#[must_use]
pub fn hello() -> Vec<u8> {
    [PREFACE, &frame(kind::SETTINGS, flag::NONE, 0, b"")].concat()
}

/// A whole request without a body, in one frame.
#[must_use]
pub fn request(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, block)
}

/// An integer with a prefix of this many bits (RFC 7541, section 5.1); `first` holds the bits before it.
#[must_use]
pub fn integer(first: u8, bits: u8, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    let byte = |value: usize| u8::try_from(value & 0xff).unwrap_or_default();
    if value < most {
        return vec![first | byte(value)];
    }
    let mut bytes = vec![first | byte(most)];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(byte(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    bytes.push(byte(rest));
    bytes
}

/// A text as it is, without Huffman's code.
#[must_use]
pub fn text(bytes: &[u8]) -> Vec<u8> {
    [integer(0, 7, bytes.len()).as_slice(), bytes].concat()
}

/// A field that enters no table.
#[must_use]
pub fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A field that enters the table.
#[must_use]
pub fn indexed_field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0x40][..], &text(name), &text(value)].concat()
}

/// What came back on one connection.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Kind, flags, stream and payload of every whole frame.
    pub frames: Vec<(u8, u8, u32, Vec<u8>)>,
    /// Whether the other side closed the connection in time.
    pub closed: bool,
    /// How many bytes could be sent.
    pub sent: u64,
}

impl Heard {
    fn read(told: &Value) -> Self {
        let text = told["received"].as_str().unwrap_or_default().as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.chunks_exact(2);
        let bytes: Vec<u8> = pairs
            .filter_map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?))
            .collect();
        let (mut frames, mut rest) = (Vec::new(), bytes.as_slice());
        while let [a, b, c, kind, flags, d, e, f, g, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some(payload) = after.get(..length) else { break };
            frames.push((*kind, *flags, u32::from_be_bytes([*d, *e, *f, *g]), payload.to_vec()));
            rest = &after[length..];
        }
        Self {
            frames,
            closed: told["closed"] == true,
            sent: told["sent"].as_u64().unwrap_or_default(),
        }
    }

    /// Whether a request was answered with 200 on any stream: `:status 200` is one byte of HPACK's static table.
    #[must_use]
    pub fn served(&self) -> bool {
        self.frames
            .iter()
            .any(|(kind, _, _, payload)| *kind == kind::HEADERS && payload.first() == Some(&0x88))
    }

    /// How many frames of a kind came.
    #[must_use]
    pub fn count(&self, kind: u8) -> usize {
        self.frames.iter().filter(|frame| frame.0 == kind).count()
    }

    /// In words: kinds of frames and codes of errors.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut summary = format!("sent {}, closed {}:", self.sent, self.closed);
        for (kind, _, stream, payload) in self.frames.iter().take(12) {
            let code = payload.last().filter(|_| matches!(*kind, kind::RST_STREAM)).copied();
            let code = code.or_else(|| payload.get(7).filter(|_| *kind == kind::GOAWAY).copied());
            let _infallible = write!(summary, " {kind}@{stream}");
            if let Some(code) = code {
                let _infallible = write!(summary, "({code})");
            }
        }
        summary
    }
}

/// Sends each list of parts on a connection of its own, waiting after each part for what comes of it.
#[must_use]
pub fn converse(address: &str, connections: &[Vec<Vec<u8>>]) -> Vec<Heard> {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
                let _infallible = write!(text, "{byte:02x}");
                text
            })
    };
    let parts = |connection: &Vec<Vec<u8>>| connection.iter().map(|part| Value::from(hex(part))).collect::<Value>();
    let told = http2(address, "pipe", "", &connections.iter().map(parts).collect());
    told.as_array()
        .map(|all| all.iter().map(Heard::read).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_frames_are_written_as_the_standards_say() {
        // RFC 7541, appendix C.1.
        assert_eq!(integer(0, 5, 10), [0x0a]);
        assert_eq!(integer(0, 5, 1337), [0x1f, 0x9a, 0x0a]);
        assert_eq!(integer(0, 8, 42), [0x2a]);
        assert_eq!(frame(6, 1, 5, b"ab"), [0, 0, 2, 6, 1, 0, 0, 0, 5, b'a', b'b']);
        let told = serde_json::json!({"received": "00000106010000000561", "closed": true, "sent": 3});
        let heard = Heard::read(&told);
        assert_eq!(heard.frames, [(6, 1, 5, b"a".to_vec())]);
        assert_eq!((heard.closed, heard.sent), (true, 3));
    }
}
