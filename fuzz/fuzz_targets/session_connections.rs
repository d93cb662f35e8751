//! `peerage_session::fuzz::connections`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_session::fuzz::connections(data));
