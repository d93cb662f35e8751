//! `peerage_signal::fuzz::nameplate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_signal::fuzz::nameplate(data));
