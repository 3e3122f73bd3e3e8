//! A header block: whatever the bytes, a verdict; and what is good as a whole was good on its way.

#![no_main]

use igny8_proxy::policy::framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut linted = 0;
    let mut refused_on_the_way = false;
    for end in 1..bytes.len() {
        refused_on_the_way |= framing::lint_unfinished(&bytes[..end], linted).is_err();
        linted = end;
    }
    let Ok(framed) = framing::parse(bytes) else { return };
    assert!(framed.block_bytes <= bytes.len() && bytes[..framed.block_bytes].ends_with(b"\r\n\r\n"));
    if framed.block_bytes == bytes.len() {
        assert!(!refused_on_the_way, "refused while it came, accepted when it was there");
    }
    for field in framed.fields.iter() {
        assert!(!field.name.is_empty());
        assert!(
            field
                .name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        );
        assert!(field.value.iter().all(|byte| !matches!(byte, 0 | b'\r' | b'\n')));
    }
});
