//! `peerage_signal::fuzz::rooms`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_signal::fuzz::rooms(data));
