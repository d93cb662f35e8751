//! `peerage_sframe::fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sframe::fuzz::frames(data));
