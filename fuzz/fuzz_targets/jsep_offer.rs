//! `peerage_jsep::fuzz::offer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_jsep::fuzz::offer(data));
