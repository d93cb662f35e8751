//! `peerage_media::receive::fuzz::audio`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::receive::fuzz::audio(data));
