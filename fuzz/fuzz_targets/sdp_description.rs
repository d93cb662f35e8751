//! `peerage_sdp::fuzz::description`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sdp::fuzz::description(data));
