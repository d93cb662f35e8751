//! `peerage_dtls::fuzz::transport`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzz::transport(data));
