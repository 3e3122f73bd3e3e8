//! A request target: its canonical form is its own canonical form, and holds nothing that two servers read differently.

#![no_main]

use igny8_proxy::policy::path::canonicalize;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(canonical) = canonicalize(bytes) else { return };
    let path: &str = &canonical.path;
    assert!(path.starts_with('/') && !path.starts_with("//"));
    assert!(
        path.bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'?' | b';'))
    );
    assert!(path.split('/').all(|segment| !matches!(segment, "." | "..")));
    for forbidden in ["//", "%2F", "%2E", "%5C", "%00", "%2f", "%2e", "%5c"] {
        assert!(!path.contains(forbidden), "{path}");
    }
    let again = canonicalize(path.as_bytes()).expect("a canonical path is a path");
    assert_eq!(again.path, canonical.path);
    assert!(again.query.is_none());
});
