//! `peerage_codecs::fuzz::y4m`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_codecs::fuzz::y4m(data));
