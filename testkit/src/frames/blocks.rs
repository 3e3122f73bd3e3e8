//! HPACK that no encoder would write.

use super::rows::Fate::{Refused, Served};
use super::rows::Rows;
use super::{field, flag, frame, indexed_field, integer, kind, text};

/// HPACK that says something else to each reader, or nothing at all (RFC 7541).
pub(super) fn add_blocks(rows: &mut Rows) {
    rows.block("field number 0", Refused, vec![0x80]);
    rows.block("a field beyond the table", Refused, integer(0x80, 7, 62));
    rows.block("a field far beyond the table", Refused, integer(0x80, 7, 1 << 30));
    rows.block(
        "a name beyond the table",
        Refused,
        [integer(0x40, 6, 99), text(b"x")].concat(),
    );
    rows.block("a number without an end", Refused, vec![0xff; 12]);
    rows.block("a number that breaks off", Refused, vec![0xff, 0x80]);
    rows.block("a name that breaks off", Refused, vec![0, 10, b'x', b'-']);
    rows.block(
        "a value that breaks off",
        Refused,
        [&[0][..], &text(b"x-a"), &[10, b'b']].concat(),
    );
    rows.block(
        "a text of two gigabytes",
        Refused,
        [&[0][..], &integer(0, 7, 1 << 31)].concat(),
    );
    rows.block("a table beyond what was agreed", Refused, integer(0x20, 5, 1 << 20));
    rows.block(
        "a table that changes at the end of a block",
        Refused,
        integer(0x20, 5, 0),
    );
    rows.block(
        "the end of a text in Huffman's code",
        Refused,
        [&[0][..], &text(b"x-a"), &[0x84, 0xff, 0xff, 0xff, 0xff]].concat(),
    );
    rows.block(
        "a whole byte of padding in Huffman's code",
        Refused,
        [&[0][..], &text(b"x-a"), &[0x82, 0x1f, 0xff]].concat(),
    );
    rows.block(
        "zeros as padding in Huffman's code",
        Refused,
        [&[0][..], &text(b"x-a"), &[0x81, 0x18]].concat(),
    );
}

/// More than anybody wants to hold.
pub(super) fn add_bombs(rows: &mut Rows) {
    rows.block("a field without a name", Refused, field(b"", b"x"));
    rows.block(
        "a thousand fields without a name",
        Refused,
        field(b"", b"").repeat(1_000),
    );
    rows.block("three thousand small fields", Refused, field(b"x", b"").repeat(3_000));
    let bomb = [indexed_field(b"x-bomb", &[b'b'; 3_900]), vec![0xbe; 8_000]].concat();
    rows.block("a large field, referred to again and again", Refused, bomb);
    rows.frames("the same over many frames", Refused, |own, mark| {
        let first = [own.page(mark, &[]), indexed_field(b"x-bomb", &[b'b'; 3_900])].concat();
        let mut frames = vec![frame(kind::HEADERS, flag::END_STREAM, 1, &first)];
        frames.extend((0..20).map(|_| frame(kind::CONTINUATION, flag::NONE, 1, &[0xbe; 16_000])));
        frames.push(frame(kind::CONTINUATION, flag::END_HEADERS, 1, b""));
        frames
    });
    // A few continuations are a block like any other; a hundred are an attack.
    for (name, size, fate) in [
        ("a block in frames of forty bytes", 40, Served),
        ("a block in frames of one byte", 1, Refused),
    ] {
        rows.frames(name, fate, |own, mark| {
            let block = own.page(mark, &[]);
            let (first, rest) = block.split_at(size);
            let mut frames = vec![frame(kind::HEADERS, flag::END_STREAM, 1, first)];
            frames.extend(
                rest.chunks(size)
                    .map(|part| frame(kind::CONTINUATION, flag::NONE, 1, part)),
            );
            frames.push(frame(kind::CONTINUATION, flag::END_HEADERS, 1, b""));
            frames
        });
    }
}
