//! `peerage_rtp::fuzz::extension`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzz::extension(data));
