//! `peerage_dtls::fuzz::insider`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzz::insider(data));
