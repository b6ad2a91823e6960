//! The comparison of an imported function's type with the system API's.

use wasmparser::{FuncType, ValType};

use crate::wasm::address_type::AddressType;

/// The type of a function of the system API, by name, if modules of the address type have it.
pub(crate) type SystemApi = fn(AddressType, &str) -> Option<wasmtime::FuncType>;

/// Checks that a module imports a function with the type that it has.
pub(crate) fn check_signature(
    name: &str,
    expected: &wasmtime::FuncType,
    found: &FuncType,
) -> Result<(), String> {
    let parameters: Vec<_> = expected.params().filter_map(|ty| number(&ty)).collect();
    let results: Vec<_> = expected.results().filter_map(|ty| number(&ty)).collect();
    let (what, expected, found) = if found.params() != parameters {
        ("input params", parameters, found.params())
    } else if found.results() != results {
        ("return type", results, found.results())
    } else {
        return Ok(());
    };
    Err(format!(
        "Wasm module has an invalid function signature. Expected {what} {expected:?} for '{name}', \
         got {found:?}."
    ))
}

/// The type of a number, as the parser has it. The system API has these two only.
fn number(ty: &wasmtime::ValType) -> Option<ValType> {
    match ty {
        wasmtime::ValType::I32 => Some(ValType::I32),
        wasmtime::ValType::I64 => Some(ValType::I64),
        _ => None,
    }
}
