#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| canic_replica_fuzz::candid(data));
