//! `peerage_sctp::fuzz::liar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sctp::fuzz::liar(data));
