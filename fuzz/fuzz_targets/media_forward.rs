//! `peerage_media::send::fuzz::forward`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::send::fuzz::forward(data));
