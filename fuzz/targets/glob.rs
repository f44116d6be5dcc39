#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lake_shim::fuzz::glob(data));
