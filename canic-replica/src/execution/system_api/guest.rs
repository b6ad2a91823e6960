//! The guest as a system call sees it: its fuel, and bytes of its memory.

use candid::Principal;
use wasmtime::{Caller, WasmTy};

use crate::{
    execution::{system_api::host::Host, trap::Trap},
    wasm::address_type::AddressType,
};

pub(super) type Guest<'a> = Caller<'a, Host>;

/// A pointer or size of the guest, `I` in the interface specification: an `i32` if the guest's
/// memory is a 32-bit one, and an `i64` otherwise.
pub(crate) trait Address: WasmTy + Into<u64> {
    const TYPE: AddressType;

    /// The length of bytes that the host holds. It fits.
    fn of(length: usize) -> Self;
}

impl Address for u32 {
    const TYPE: AddressType = AddressType::I32;

    fn of(length: usize) -> Self {
        Self::try_from(length).unwrap_or(Self::MAX)
    }
}

impl Address for u64 {
    const TYPE: AddressType = AddressType::I64;

    fn of(length: usize) -> Self {
        length as Self
    }
}

/// Charges instructions for work of the host.
pub(super) fn charge(guest: &mut Guest<'_>, cost: u64) -> wasmtime::Result<()> {
    let fuel = guest.get_fuel()?;
    if fuel < cost {
        guest.set_fuel(0)?;
        return Err(Trap::Instructions(0).into());
    }
    guest.set_fuel(fuel - cost)
}

/// The guest's memory, and the host beside it.
pub(super) fn memory<'a>(guest: &'a mut Guest<'_>) -> Result<(&'a mut [u8], &'a mut Host), Trap> {
    let memory = (guest.data().memory)
        .ok_or_else(|| Trap::Contract("WebAssembly module must define memory".into()))?;
    Ok(memory.data_and_store_mut(guest))
}

/// Bytes of the guest's memory.
pub(super) fn heap_bytes(guest: &Guest<'_>) -> usize {
    guest
        .data()
        .memory
        .map_or(0, |memory| memory.data_size(guest))
}

/// The range of `size` bytes at `start`, if it lies within `length`.
pub(super) fn within(start: u64, size: u64, length: usize) -> Option<std::ops::Range<usize>> {
    let end = start.checked_add(size)?;
    (end <= length as u64).then_some(start as usize..end as usize)
}

/// The same range, or a trap that names its purpose, `whose`.
fn slice(
    whose: &str,
    start: u64,
    size: u64,
    length: usize,
) -> Result<std::ops::Range<usize>, Trap> {
    within(start, size, length).ok_or_else(|| {
        Trap::Contract(format!(
            "{whose}: src={start} + length={size} exceeds the slice size={length}"
        ))
    })
}

/// The guest's bytes at `src`, and the host beside them. `whose` is their purpose, for a trap.
pub(super) fn load<'a>(
    guest: &'a mut Guest<'_>,
    whose: &str,
    src: u64,
    size: u64,
) -> Result<(&'a [u8], &'a mut Host), Trap> {
    let (bytes, host) = memory(guest)?;
    let range = slice(whose, src, size, bytes.len())?;
    Ok((&bytes[range], host))
}

/// Copies a part of the host's bytes to the guest. `name` is the system call and `part` the name of
/// the bytes, for a trap.
pub(super) fn copy(
    guest: &mut Guest<'_>,
    name: &str,
    part: &str,
    (dst, offset, size): (u64, u64, u64),
    what: impl FnOnce(&Host) -> Result<&[u8], Trap>,
) -> wasmtime::Result<()> {
    let (bytes, host) = memory(guest)?;
    let source = what(host)?;
    let to = slice(&format!("ic0.{name} heap"), dst, size, bytes.len())?;
    let from = slice(&format!("ic0.{name} {part}"), offset, size, source.len())?;
    bytes[to].copy_from_slice(&source[from]);
    Ok(())
}

/// Writes a number of cycles: 16 bytes, little-endian.
pub(super) fn write_cycles(
    guest: &mut Guest<'_>,
    name: &str,
    dst: u64,
    cycles: u128,
) -> wasmtime::Result<()> {
    let (bytes, _) = memory(guest)?;
    let length = bytes.len();
    let to = within(dst, 16, length).ok_or_else(|| {
        Trap::Contract(format!(
            "ic0_{name} failed because dst + size is out of bounds.Found dst = {dst} and size = 16 \
             while must be <= {length}"
        ))
    })?;
    bytes[to].copy_from_slice(&cycles.to_le_bytes());
    Ok(())
}

pub(super) fn principal(bytes: &[u8]) -> Result<Principal, Trap> {
    Principal::try_from(bytes).map_err(|_| Trap::Principal)
}

pub(super) fn join(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// A number of cycles for the 64-bit system calls.
pub(super) fn narrow(cycles: u128) -> Result<u64, Trap> {
    cycles
        .try_into()
        .map_err(|_| Trap::Wasm("cycles amount exceeds 64-bit representation".into()))
}
