//! `peerage_signal::fuzz::exchange`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_signal::fuzz::exchange(data));
