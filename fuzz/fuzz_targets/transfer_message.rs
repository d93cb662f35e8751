//! `peerage_transfer::fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_transfer::fuzz::message(data));
