//! `peerage_ice::punch::fuzz::punching`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_ice::punch::fuzz::punching(data));
