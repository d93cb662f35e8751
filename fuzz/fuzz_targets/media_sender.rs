//! `peerage_media::send::fuzz::sender`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::send::fuzz::sender(data));
