//! Requests that nobody thought of, made by a grammar from pieces that some server reads in two ways.
//!
//! Chance comes from a seed and a number, which name the case, so that a finding can be made again. No verdict is known
//! beforehand: the two oracles judge alone. So the grammar hides a request ([`HIDDEN`](super)) only in bytes that belong to
//! a body, or that nobody may read since where they belong is in doubt.

use super::pieces::{
    BLANKS, CHUNKS, CONNECTIONS, COOKIE_NAMES, COOKIE_VALUES, CREDENTIALS, METHODS, ODD_HOSTS, ODD_METHODS,
    ODD_PREFIXES, ODD_VERSIONS, ORDINARY, OWNED, OWNED_VALUES, PARTS, PREFIXES, QUERIES, SECOND,
};
use super::{Case, HIDDEN, Verdict};
use std::ops::Range;

/// The seed, unless `IGNY8_TEST_SEED` names another.
const SEED: u64 = 0x1678;

/// What comes next from one seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        // Below a `usize`, so it is one again.
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to `most` of what `make` gives, one after the other.
    fn some(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> Vec<u8>) -> Vec<u8> {
        (0..self.below(most + 1)).flat_map(|_| make(self)).collect()
    }
}

/// The seed of this run.
#[must_use]
pub fn seed() -> u64 {
    let told = std::env::var("IGNY8_TEST_SEED").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

/// How many cases a run has in all: 2,100, or 50,400 under `IGNY8_TEST_LONG`.
#[must_use]
pub fn total() -> usize {
    if std::env::var_os("IGNY8_TEST_LONG").is_some() {
        50_400
    } else {
        2_100
    }
}

/// The cases with these numbers.
#[must_use]
pub fn cases(seed: u64, numbers: Range<usize>) -> Vec<Case> {
    numbers.map(|number| case(seed, number)).collect()
}

fn case(seed: u64, number: usize) -> Case {
    let mut chance = Chance(seed ^ (number as u64).wrapping_mul(0xd134_2543_de82_ef95));
    let (framing, rest, requests) = framing(&mut chance);
    let head = [
        request_line(&mut chance),
        fields(&mut chance, framing),
        b"\r\n".to_vec(),
    ]
    .concat();
    let name = format!(
        "seed {seed}, number {number}: {}{}",
        head.escape_ascii(),
        rest.escape_ascii()
    );
    Case {
        requests,
        // Where a body ends is not known beforehand.
        breaks_off: true,
        ..Case::new("grammar", name, &[&head, &rest], Verdict::Harmless)
    }
}

fn request_line(chance: &mut Chance) -> Vec<u8> {
    let method = if chance.percent(6) {
        chance.pick(ODD_METHODS)
    } else {
        chance.pick(METHODS)
    };
    let prefixes = if chance.percent(25) { ODD_PREFIXES } else { PREFIXES };
    let mut target = chance.pick(prefixes).to_vec();
    target.extend(chance.some(4, |chance| {
        // Mostly plain, or hardly any target would be let through.
        let slash = if chance.percent(95) {
            &b"/"[..]
        } else {
            chance.pick(&[&b""[..], b"//"])
        };
        let part = if chance.percent(85) {
            chance.pick(&PARTS[..5])
        } else {
            chance.pick(PARTS)
        };
        [slash, part].concat()
    }));
    if target.is_empty() {
        target.push(b'/');
    }
    if chance.percent(25) {
        target.extend_from_slice(chance.pick(QUERIES));
    }
    let version = if chance.percent(6) {
        chance.pick(ODD_VERSIONS)
    } else {
        b"HTTP/1.1"
    };
    [method, b" ", &target, b" ", version, b"\r\n"].concat()
}

/// The fields of a request in any order: its host and mark, those of its framing, and whatever else comes to mind.
fn fields(chance: &mut Chance, framing: Vec<Vec<u8>>) -> Vec<u8> {
    let odd_host = chance.percent(5);
    let host = if odd_host { chance.pick(ODD_HOSTS) } else { b"{HOST}" };
    let mut lines = vec![[&b"Host: "[..], host].concat(), b"X-Marker: {MARK}".to_vec()];
    lines.extend(framing);
    for _ in 0..chance.below(6) {
        let mut line = field(chance);
        if chance.percent(4) {
            let odd = chance.pick(b"\t \0\x0b\r\n:_\x80\x7f");
            line.insert(chance.below(line.len() + 1), odd);
        }
        lines.insert(chance.below(lines.len() + 1), line);
    }
    lines
        .into_iter()
        .flat_map(|line| [line, b"\r\n".to_vec()].concat())
        .collect()
}

/// One field line without its end. None of these says how long a body is, and none is one that nginx refuses to see twice:
/// it would do so before it has seen the mark.
fn field(chance: &mut Chance) -> Vec<u8> {
    match chance.below(8) {
        0 => {
            let mut name = chance.pick(OWNED).to_vec();
            for byte in &mut name {
                if *byte == b'-' && chance.percent(3) {
                    *byte = chance.pick(b"_.~ +");
                } else if chance.percent(10) {
                    *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
                }
            }
            [name.as_slice(), b": ", chance.pick(OWNED_VALUES)].concat()
        }
        1 | 2 => cookie(chance),
        3 | 4 => chance.pick(CREDENTIALS).to_vec(),
        5 => chance.pick(CONNECTIONS).to_vec(),
        _ => chance.pick(ORDINARY).to_vec(),
    }
}

fn cookie(chance: &mut Chance) -> Vec<u8> {
    let pairs = chance.some(4, |chance| {
        let separator = chance.pick(&[&b"; "[..], b"; ", b"; ", b";", b" ; ", b",", b";;"]);
        let equals = chance.pick(&[&b"="[..], b"=", b"=", b"=", b"==", b""]);
        let (name, value) = (chance.pick(COOKIE_NAMES), chance.pick(COOKIE_VALUES));
        let blank = [chance.pick(BLANKS), chance.pick(BLANKS), chance.pick(BLANKS)];
        [blank[0], name, blank[1], equals, blank[2], value, separator].concat()
    });
    [
        chance.pick(&[&b"Cookie: "[..], b"Cookie: ", b"cookie:", b"COOKIE: \t"]),
        &pairs,
    ]
    .concat()
}

/// The fields that say where a request ends, what follows its header block, and how many requests all of it holds.
fn framing(chance: &mut Chance) -> (Vec<Vec<u8>>, Vec<u8>, usize) {
    let chunked = || vec![b"Transfer-Encoding: chunked".to_vec()];
    match chance.below(100) {
        0..30 => (Vec::new(), Vec::new(), 1),
        30..40 => (Vec::new(), chance.pick(SECOND).to_vec(), 2),
        40..55 => (vec![b"Content-Length: {LENGTH}".to_vec()], HIDDEN.to_vec(), 1),
        55..65 => (
            vec![b"Content-Length: 5".to_vec()],
            [&b"hello"[..], chance.pick(SECOND)].concat(),
            2,
        ),
        // After chunks nothing is read, whether they are right or not.
        65..75 => (chunked(), [chance.pick(CHUNKS), HIDDEN].concat(), 1),
        75..85 => {
            let mut body = chance.pick(CHUNKS).to_vec();
            for _ in 0..=chance.below(2) {
                let odd = chance.pick(b"\r\n;0 1f\t\0x+-\xff");
                body.insert(chance.below(body.len() + 1), odd);
            }
            (chunked(), [body.as_slice(), HIDDEN].concat(), 1)
        }
        _ => doubtful(chance),
    }
}

/// Lengths and codings put together by chance. Where one turns out to be clear nothing hides behind it.
fn doubtful(chance: &mut Chance) -> (Vec<Vec<u8>>, Vec<u8>, usize) {
    const LENGTHS: &[u8] = b"0055512 ,+-;_.x\"\t\x0b";
    let mut lines = Vec::new();
    let (mut clear, mut coded) = (true, false);
    for _ in 0..=chance.below(2) {
        let blank = chance.pick(&[&b" "[..], b" ", b"", b"\t", b"  "]);
        if chance.percent(50) {
            let value: Vec<u8> = (0..=chance.below(3)).map(|_| chance.pick(LENGTHS)).collect();
            let digits = value.trim_ascii();
            clear &=
                digits.iter().all(u8::is_ascii_digit) && !digits.is_empty() && (digits == b"0" || digits[0] != b'0');
            // A vertical tab is white space to Rust, and none to HTTP.
            clear &= !value.contains(&0x0b);
            lines.push([&b"Content-Length:"[..], blank, &value].concat());
        } else {
            let value = chance.pick(&[
                &b"chunked"[..],
                b"Chunked",
                b"chunked, chunked",
                b"identity",
                b"gzip, chunked",
                b"chunked;q=1",
                b"\x0bchunked",
                b"",
                b"xchunked",
                b"chunked\0",
            ]);
            coded = true;
            lines.push([&b"Transfer-Encoding:"[..], blank, value].concat());
        }
    }
    let clear = clear && !coded && lines.len() == 1;
    let rest = if clear {
        Vec::new()
    } else {
        [&b"0\r\n\r\n"[..], HIDDEN].concat()
    };
    (lines, rest, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_and_a_number_make_the_same_case_again_and_others_make_others() {
        let once = cases(7, 0..500);
        assert_eq!(
            once.iter().map(|case| &case.bytes).collect::<Vec<_>>(),
            cases(7, 0..500).iter().map(|case| &case.bytes).collect::<Vec<_>>()
        );
        let all: HashSet<_> = once
            .iter()
            .chain(&cases(8, 0..500))
            .map(|case| case.bytes.clone())
            .collect();
        assert!(all.len() > 950, "{} of 1000 differ", all.len());
    }
}
