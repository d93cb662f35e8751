//! `peerage_srtp::fuzz::sequence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_srtp::fuzz::sequence(data));
