//! `peerage_net::fuzz::mdns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_net::fuzz::mdns(data));
