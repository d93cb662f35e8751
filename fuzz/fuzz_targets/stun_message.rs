//! `peerage_stun::fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_stun::fuzz::message(data));
