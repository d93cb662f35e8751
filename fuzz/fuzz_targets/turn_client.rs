//! `peerage_turn::client::fuzz::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_turn::client::fuzz::client(data));
