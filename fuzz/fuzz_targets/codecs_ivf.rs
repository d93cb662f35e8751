//! `peerage_codecs::fuzz::ivf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_codecs::fuzz::ivf(data));
