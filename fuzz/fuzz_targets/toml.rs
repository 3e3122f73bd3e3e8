//! The two files: whatever they hold, they are read or refused with a place, and a limit never admits without end.

#![no_main]

use igny8_proxy::config;
use igny8_proxy::throttle::Limits;
use igny8_proxy::throttle::limits::ScopeNames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = config::parses("proxy.toml", text) {
        assert!(error.to_string().starts_with("proxy.toml"));
    }
    match Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default()) {
        Ok(limits) => {
            for limit in [limits.default_limit(), limits.address(), limits.cold()] {
                assert!(limit.quota().burst() > 0 && limit.quota().window_ns() > 0);
            }
        }
        Err(error) => assert!(error.to_string().starts_with("limits.toml")),
    }
});
