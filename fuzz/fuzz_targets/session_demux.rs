//! `peerage_session::fuzz::demux`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_session::fuzz::demux(data));
