//! `peerage_jsep::fuzz::media_negotiations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_jsep::fuzz::media_negotiations(data));
