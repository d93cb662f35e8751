//! `peerage_codecs::fuzz::ogg`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_codecs::fuzz::ogg(data));
