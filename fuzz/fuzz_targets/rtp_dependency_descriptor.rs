//! `peerage_rtp::payload::fuzz::dependency_descriptor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::payload::fuzz::dependency_descriptor(data));
