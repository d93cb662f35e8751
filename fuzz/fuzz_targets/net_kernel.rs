//! `peerage_net::fuzz::kernel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_net::fuzz::kernel(data));
