//! The checks of `tests/rules/fuzz`, with bytes that libFuzzer chooses.
#![allow(dead_code)] // The tests use more of what they share.

#[path = "../../tests/rules/common.rs"]
mod common;
#[path = "../../tests/rules/fuzz/mod.rs"]
mod fuzz;
#[path = "../../tests/rules/imports.rs"]
mod imports;

/// Arguments of the management canister.
pub fn candid(data: &[u8]) {
    fuzz::candid::check(data);
}

/// Modules.
pub fn wasm(data: &[u8]) {
    fuzz::wasm::check(data);
}

/// Requests to a server.
pub fn http(data: &[u8]) {
    fuzz::http::check(data);
}
