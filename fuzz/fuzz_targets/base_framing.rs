//! `peerage_base::fuzz::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_base::fuzz::framing(data));
