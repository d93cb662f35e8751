//! `peerage_media::rtcp::fuzz::receive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::rtcp::fuzz::receive(data));
