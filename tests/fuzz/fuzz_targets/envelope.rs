#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lobby_fuzz::envelope(data));
