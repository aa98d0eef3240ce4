#![no_main]

#[path = "../../tests/fuzz/targets/mod.rs"]
#[allow(dead_code, reason = "each program uses its own target")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::probe::check(data));
