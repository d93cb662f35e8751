//! `peerage_srtp::fuzz::packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_srtp::fuzz::packet(data));
