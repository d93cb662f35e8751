//! `peerage_dtls::fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzz::records(data));
