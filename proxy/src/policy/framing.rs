//! The first step: one HTTP/1 header block, read as strictly as it can be read, or refused.
//!
//! Pure: bytes in, borrowed facts out. Nothing is repaired here. What an app behind the proxy might read differently
//! (RFC 9112, sections 2 to 7; RFC 9110, section 5) is a refusal, so that the app and we always mean the same request.

use super::fields::{self, Field, FieldName};
use igny8_contract::refusal::Refusal;

/// A header block may be this long, request line and empty line included.
pub const MAX_BLOCK_BYTES: usize = 32 * 1024;
/// A header block may have this many fields.
pub const MAX_FIELDS: usize = 100;

/// The methods that go through. CONNECT and TRACE never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// The method's token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether the method only reads, as standing understands it.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    const fn parse(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"PATCH" => Self::Patch,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            _ => return None,
        })
    }
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    None,
    /// A declared length in bytes.
    Length(u64),
    Chunked,
}

/// A request whose framing is beyond doubt. Everything is borrowed from the header block.
#[derive(Debug)]
pub struct Framed<'a> {
    pub method: Method,
    pub target: &'a [u8],
    /// HTTP/1.0 rather than HTTP/1.1.
    pub http10: bool,
    pub fields: Vec<Field<'a>>,
    pub host: Option<&'a [u8]>,
    pub authorization: Option<&'a [u8]>,
    pub api_key: Option<&'a [u8]>,
    pub origin: Option<&'a [u8]>,
    pub accept: Option<&'a [u8]>,
    pub traceparent: Option<&'a [u8]>,
    pub body: Body,
    pub close: bool,
    pub keep_alive: bool,
    /// `Connection` says that a change of protocol is offered.
    pub connection_upgrade: bool,
    /// What is offered.
    pub upgrade: Option<&'a [u8]>,
    pub has_cookies: bool,
    /// How many bytes the header block has; what follows them belongs to the body.
    pub block_bytes: usize,
}

impl<'a> Framed<'a> {
    /// What `X-Forwarded-For` lists, the nearest hop's word first. Several lines are one list, in their order (RFC 9110,
    /// section 5.3): a hop may add a line of its own instead of writing on in the last one.
    pub fn forwarded_for(&self) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.fields.iter().rev();
        lines
            .filter(|field| field.name_kind == FieldName::ForwardedFor)
            .flat_map(|field| field.value.rsplit(|byte| *byte == b','))
    }

    /// What the nearest hop says of the scheme: the last word of the last `X-Forwarded-Proto`.
    #[must_use]
    pub fn forwarded_proto(&self) -> Option<&'a [u8]> {
        let mut lines = self.fields.iter().rev();
        let last = lines.find(|field| field.name.eq_ignore_ascii_case(b"x-forwarded-proto"))?;
        last.value.rsplit(|byte| *byte == b',').next().map(fields::trim)
    }
}

/// What is wrong with bytes of an unfinished header block, as soon as it shows.
///
/// # Errors
/// `malformed_request` for a line that ends without CR or a block that starts with an empty line,
/// `fields_too_large` past [`MAX_BLOCK_BYTES`].
pub fn lint_unfinished(block: &[u8], already_linted: usize) -> Result<(), Refusal> {
    if matches!(block.first(), Some(b'\r' | b'\n')) {
        return Err(Refusal::MalformedRequest);
    }
    for at in memchr::memchr_iter(b'\n', &block[already_linted..]) {
        let at = at + already_linted;
        if at == 0 || block[at - 1] != b'\r' {
            return Err(Refusal::MalformedRequest);
        }
    }
    if block.len() > MAX_BLOCK_BYTES {
        Err(Refusal::FieldsTooLarge)
    } else {
        Ok(())
    }
}

/// Reads the whole header block at the start of `bytes`, the empty line at its end included.
///
/// # Errors
/// `malformed_request`, `forbidden_field`, `bad_host`, `credentials_ambiguous`, `method_not_allowed`,
/// `expectation_failed` or `fields_too_large`, whichever shows first.
pub fn parse(bytes: &[u8]) -> Result<Framed<'_>, Refusal> {
    let mut lines = Lines { rest: bytes };
    let (method, target, http10) = request_line(lines.next().ok_or(Refusal::MalformedRequest)??)?;
    let mut framed = Framed {
        method,
        target,
        http10,
        fields: Vec::with_capacity(24),
        host: None,
        authorization: None,
        api_key: None,
        origin: None,
        accept: None,
        traceparent: None,
        body: Body::None,
        close: false,
        keep_alive: false,
        connection_upgrade: false,
        upgrade: None,
        has_cookies: false,
        block_bytes: 0,
    };
    let mut seen = Seen::default();
    let fields_start = bytes.len() - lines.rest.len();
    while let Some(line) = lines.next() {
        let line = line?;
        framed.block_bytes = bytes.len() - lines.rest.len();
        if framed.block_bytes > MAX_BLOCK_BYTES {
            return Err(Refusal::FieldsTooLarge);
        }
        if line.is_empty() {
            let fields = &bytes[fields_start..framed.block_bytes];
            let clean = fields::is_clean(fields, framed.fields.len() + 1);
            return if clean {
                seen.finish(framed)
            } else {
                Err(Refusal::MalformedRequest)
            };
        }
        if framed.fields.len() == MAX_FIELDS {
            return Err(Refusal::FieldsTooLarge);
        }
        let field = fields::parse_line(line)?;
        note(&mut framed, &mut seen, &field)?;
        framed.fields.push(field);
    }
    Err(Refusal::MalformedRequest)
}

/// Lines that end in CR LF; a line that ends in a bare LF is an error.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(line.strip_suffix(b"\r").ok_or(Refusal::MalformedRequest))
    }
}

/// `METHOD SP target SP HTTP/1.x`, each separated by one space (RFC 9112, section 3).
fn request_line(line: &[u8]) -> Result<(Method, &[u8], bool), Refusal> {
    let first = memchr::memchr(b' ', line).ok_or(Refusal::MalformedRequest)?;
    let last = memchr::memrchr(b' ', line).ok_or(Refusal::MalformedRequest)?;
    let (token, target) = (
        &line[..first],
        line.get(first + 1..last).ok_or(Refusal::MalformedRequest)?,
    );
    let http10 = match &line[last + 1..] {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(Refusal::MalformedRequest),
    };
    if token.is_empty() || target.is_empty() || !token.iter().all(|byte| fields::is_token(*byte)) {
        return Err(Refusal::MalformedRequest);
    }
    // A space within the target is a path problem to the person who wrote it, but framing to a parser.
    if memchr::memchr(b' ', target).is_some() {
        return Err(Refusal::MalformedRequest);
    }
    Ok((Method::parse(token).ok_or(Refusal::MethodNotAllowed)?, target, http10))
}

/// What may stand only once, or only in one form, and where we are with it.
#[derive(Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    content_type: bool,
}

impl Seen {
    /// The rules that need the whole block.
    fn finish(self, mut framed: Framed<'_>) -> Result<Framed<'_>, Refusal> {
        framed.body = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Refusal::MalformedRequest),
            (_, true) if framed.http10 => return Err(Refusal::MalformedRequest),
            (_, true) => {
                // Chunks are read more leniently further on than others might read them: where this body ends is not
                // beyond doubt, so nothing is read after it.
                framed.close = true;
                Body::Chunked
            }
            (None | Some(0), false) => Body::None,
            (Some(length), false) => Body::Length(length),
        };
        Ok(framed)
    }
}

/// Records what a field means for framing, and refuses what may not be repeated.
fn note<'a>(framed: &mut Framed<'a>, seen: &mut Seen, field: &Field<'a>) -> Result<(), Refusal> {
    let once = |slot: &mut Option<&'a [u8]>, refusal| match slot.replace(field.value) {
        None => Ok(()),
        Some(_) => Err(refusal),
    };
    match field.name_kind {
        FieldName::Host => once(&mut framed.host, Refusal::BadHost),
        FieldName::Authorization => once(&mut framed.authorization, Refusal::CredentialsAmbiguous),
        FieldName::ApiKey => once(&mut framed.api_key, Refusal::CredentialsAmbiguous),
        FieldName::Origin => once(&mut framed.origin, Refusal::ForbiddenField),
        FieldName::ContentType => {
            if std::mem::replace(&mut seen.content_type, true) {
                Err(Refusal::ForbiddenField)
            } else {
                Ok(())
            }
        }
        FieldName::ContentLength => {
            let length = fields::canonical_length(field.value).ok_or(Refusal::MalformedRequest)?;
            if seen.length.replace(length).is_some() {
                Err(Refusal::MalformedRequest)
            } else {
                Ok(())
            }
        }
        FieldName::TransferEncoding => {
            if field.value != b"chunked" || std::mem::replace(&mut seen.chunked, true) {
                return Err(Refusal::MalformedRequest);
            }
            Ok(())
        }
        FieldName::Expect => {
            if field.value.eq_ignore_ascii_case(b"100-continue") {
                Ok(())
            } else {
                Err(Refusal::ExpectationFailed)
            }
        }
        FieldName::Connection => {
            let tokens = fields::connection_tokens(field.value).ok_or(Refusal::ForbiddenField)?;
            framed.close |= tokens.close;
            framed.keep_alive |= tokens.keep_alive;
            framed.connection_upgrade |= tokens.upgrade;
            Ok(())
        }
        // Of two offers none is taken.
        FieldName::Upgrade => {
            framed.upgrade = Some(framed.upgrade.map_or(field.value, |_| b""));
            Ok(())
        }
        FieldName::Cookie => {
            framed.has_cookies = true;
            Ok(())
        }
        FieldName::Accept => {
            framed.accept.get_or_insert(field.value);
            Ok(())
        }
        FieldName::Traceparent => {
            framed.traceparent.get_or_insert(field.value);
            Ok(())
        }
        FieldName::ForwardedFor | FieldName::Owned | FieldName::HopByHop | FieldName::Other => Ok(()),
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
