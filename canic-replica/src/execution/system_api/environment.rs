//! Environment variables, and the price of signatures with threshold keys.

use crate::execution::{
    system_api::{
        guest::{Guest, load, write_cycles},
        host::Host,
    },
    trap::Trap,
};

/// Longest name of a variable, in bytes.
const MAX_NAME: u64 = 128;

/// The name of the variable with this index.
pub(super) fn name(host: &Host, index: u64) -> Result<&str, Trap> {
    let variables = &host.canister.settings.environment_variables;
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| variables.keys().nth(index));
    found.map(String::as_str).ok_or_else(|| {
        Trap::Variable(format!(
            "Environment variable index {index} is out of bounds. The number of environment \
             variables is {}",
            variables.len()
        ))
    })
}

/// Reads the name of a variable from the guest. `function` is the system call, and `part` the
/// argument; traps name both.
pub(super) fn read_name(
    guest: &mut Guest<'_>,
    function: &str,
    part: &str,
    (src, size): (u64, u64),
) -> Result<String, Trap> {
    if size > MAX_NAME {
        return Err(Trap::Contract(format!(
            "ic0.{function}: Variable name is too large."
        )));
    }
    let (bytes, _) = load(guest, &format!("ic0.{function} {part}"), src, size)?;
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Trap::Contract(format!(
            "ic0.{function}: Variable name is not a valid UTF-8 string."
        ))
    })?;
    Ok(text.to_owned())
}

/// The value of a variable by its name.
pub(super) fn value<'a>(host: &'a Host, name: &str) -> Result<&'a str, Trap> {
    let found = host.canister.settings.environment_variables.get(name);
    found
        .map(String::as_str)
        .ok_or_else(|| Trap::Variable(format!("Environment variable {name} not found")))
}

/// Writes the fee for a signature with the key whose name lies at `src`. Answers 0; 1 for a curve
/// or algorithm not below `known`; 2 if no subnet of the network has such a key.
pub(super) fn signature_cost(
    guest: &mut Guest<'_>,
    function: &str,
    (src, size): (u64, u64),
    (algorithm, known): (u32, u32),
    dst: u64,
) -> wasmtime::Result<u32> {
    const UNKNOWN_ALGORITHM: u32 = 1;
    const UNKNOWN_KEY: u32 = 2;
    let (name, host) = load(guest, &format!("ic0.{function} heap"), src, size)?;
    let Ok(name) = std::str::from_utf8(name) else {
        let name = String::from_utf8_lossy(name);
        return Err(Trap::Contract(format!("Failed to decode key name {name}")).into());
    };
    if algorithm >= known {
        return Ok(UNKNOWN_ALGORITHM);
    }
    let Some(fee) = host.subnet.signature_fees.get(name).copied() else {
        return Ok(UNKNOWN_KEY);
    };
    write_cycles(guest, function, dst, fee)?;
    Ok(0)
}
