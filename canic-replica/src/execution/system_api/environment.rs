//! Environment variables, and the price of signatures with the subnet's keys.

use crate::execution::{
    system_api::{
        guest::{Guest, load},
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

/// The answer of the functions for the price of a signature: 1 for a curve or algorithm not below
/// `known`, otherwise 2, as no subnet here has such a key.
pub(super) fn signature_cost(
    guest: &mut Guest<'_>,
    function: &str,
    (src, size): (u64, u64),
    (algorithm, known): (u32, u32),
) -> Result<u32, Trap> {
    const UNKNOWN_ALGORITHM: u32 = 1;
    const UNKNOWN_KEY: u32 = 2;
    let (key, _) = load(guest, &format!("ic0.{function} heap"), src, size)?;
    if std::str::from_utf8(key).is_err() {
        let key = String::from_utf8_lossy(key);
        return Err(Trap::Contract(format!("Failed to decode key name {key}")));
    }
    Ok(if algorithm < known {
        UNKNOWN_KEY
    } else {
        UNKNOWN_ALGORITHM
    })
}
