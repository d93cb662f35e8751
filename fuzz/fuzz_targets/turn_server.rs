//! `peerage_turn::server::fuzz::server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_turn::server::fuzz::server(data));
