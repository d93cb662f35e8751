//! `peerage_media::receive::fuzz::video`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::receive::fuzz::video(data));
