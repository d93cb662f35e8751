//! `peerage_media::estimate::fuzz::estimator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::estimate::fuzz::estimator(data));
