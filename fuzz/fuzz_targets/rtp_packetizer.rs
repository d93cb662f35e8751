//! `peerage_rtp::payload::fuzz::packetizer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::payload::fuzz::packetizer(data));
