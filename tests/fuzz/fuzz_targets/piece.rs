#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lobby_core::testsuite::laws::piece(data));
