//! `peerage_ice::fuzz::agents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_ice::fuzz::agents(data));
