//! The checks of `tests/rules/fuzz`, with bytes that libFuzzer chooses.
#![allow(dead_code)] // The tests use more of the shared modules than the fuzz targets.

#[path = "../../tests/rules/common.rs"]
mod common;
#[path = "../../tests/rules/fuzz/mod.rs"]
mod fuzz;
#[path = "../../tests/rules/imports.rs"]
mod imports;

/// Checks the management canister with fuzzed arguments.
pub fn candid(data: &[u8]) {
    fuzz::candid::check(data);
}

/// Checks the host with a fuzzed module.
pub fn wasm(data: &[u8]) {
    fuzz::wasm::check(data);
}

/// Checks a server with fuzzed requests.
pub fn http(data: &[u8]) {
    fuzz::http::check(data);
}
