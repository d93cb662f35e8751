//! `peerage_sctp::fuzz::packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sctp::fuzz::packet(data));
