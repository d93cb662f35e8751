//! `peerage_session::fuzz::media`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_session::fuzz::media(data));
