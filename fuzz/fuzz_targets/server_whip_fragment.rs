//! `peerage_server::whip::fuzz::fragment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_server::whip::fuzz::fragment(data));
