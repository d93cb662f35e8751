//! `peerage_transfer::fuzz::machines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_transfer::fuzz::machines(data));
