//! Stable memory: its size, its bounds, and the limits of its access by one message.

use std::collections::HashSet;

use crate::{
    execution::{
        message::Context,
        system_api::{
            guest::{Guest, charge, heap_bytes, memory, within},
            host::Host,
        },
        trap::Trap,
    },
    memory::{PAGE, WASM_PAGE},
};

/// KiB of stable memory that an installation or upgrade, any other update message, and a query may
/// access.
const UPGRADE_KIB: u64 = 8 << 20;
const MESSAGE_KIB: u64 = 2 << 20;
const QUERY_KIB: u64 = 1 << 20;

pub(super) fn read(
    guest: &mut Guest<'_>,
    dst: u64,
    offset: u64,
    size: u64,
) -> wasmtime::Result<()> {
    check_bounds(guest.data(), offset, size)?;
    within(dst, size, heap_bytes(guest)).ok_or_else(out_of_heap)?;
    touch_accessed(guest.data_mut(), offset, size)?;
    let (bytes, host) = memory(guest)?;
    let to = within(dst, size, bytes.len()).ok_or_else(out_of_heap)?;
    host.changes.stable.read(offset, &mut bytes[to]);
    Ok(())
}

pub(super) fn write(
    guest: &mut Guest<'_>,
    offset: u64,
    src: u64,
    size: u64,
) -> wasmtime::Result<()> {
    // Everything is checked and charged before anything is copied.
    check_bounds(guest.data(), offset, size)?;
    within(src, size, heap_bytes(guest)).ok_or_else(out_of_heap)?;
    let host = guest.data_mut();
    touch_accessed(host, offset, size)?;
    let fresh =
        touch(&mut host.dirty, host.message.context, offset, size).ok_or_else(too_many_written)?;
    let dirty_page = host.subnet.prices.dirty_page;
    charge(guest, fresh * dirty_page)?;
    let (bytes, host) = memory(guest)?;
    let from = within(src, size, bytes.len()).ok_or_else(out_of_heap)?;
    host.changes.stable.write(offset, &bytes[from]);
    Ok(())
}

/// Grows stable memory; answers its old size, or `None` if the new size exceeds the limit.
pub(super) fn grow(guest: &mut Guest<'_>, pages: u64) -> wasmtime::Result<Option<u64>> {
    let heap = heap_bytes(guest);
    let host = guest.data_mut();
    let Some(size) = host.changes.stable.grow(pages) else {
        return Ok(None);
    };
    if pages > 0 {
        host.check_can_grow(heap, 0).map_err(|trap| match trap {
            Trap::Growth(_, missing) => Trap::Growth(pages * WASM_PAGE, missing),
            other => other,
        })?;
    }
    Ok(Some(size))
}

/// The size for the 32-bit system calls, which reach 4 GiB, in WebAssembly pages.
pub(super) fn size_32(host: &Host) -> Result<u32, Trap> {
    let size = host.changes.stable.size;
    if size > MAX_32 {
        let why = "32 bit stable memory api used on a memory larger than 4GB";
        return Err(Trap::Wasm(why.into()));
    }
    Ok(size as u32)
}

/// The largest size for the 32-bit system calls, in WebAssembly pages.
pub(super) const MAX_32: u64 = (1 << 32) / WASM_PAGE;

fn check_bounds(host: &Host, offset: u64, size: u64) -> Result<(), Trap> {
    match offset.checked_add(size) {
        Some(end) if end <= host.changes.stable.bytes() => Ok(()),
        _ => Err(Trap::Wasm("stable memory out of bounds".into())),
    }
}

fn out_of_heap() -> Trap {
    Trap::Wasm("heap out of bounds".into())
}

/// Adds pages to the pages that a message accesses. Answers the number of new pages, or `None` if
/// the limit is exceeded.
fn touch(touched: &mut HashSet<u64>, context: Context, offset: u64, size: u64) -> Option<u64> {
    let Some(last) = size.checked_sub(1) else {
        return Some(0);
    };
    let limit = match context {
        Context::Init | Context::PreUpgrade => UPGRADE_KIB,
        Context::ReplicatedQuery => QUERY_KIB,
        context if context.is_replicated() => MESSAGE_KIB,
        _ => QUERY_KIB,
    };
    let pages = offset / PAGE as u64..=(offset + last) / PAGE as u64;
    let fresh = pages.clone().filter(|page| !touched.contains(page)).count() as u64;
    if touched.len() as u64 + fresh > limit * 1024 / PAGE as u64 {
        return None;
    }
    touched.extend(pages);
    Some(fresh)
}

fn touch_accessed(host: &mut Host, offset: u64, size: u64) -> Result<(), Trap> {
    match touch(&mut host.accessed, host.message.context, offset, size) {
        Some(_) => Ok(()),
        None => Err(Trap::Pages(format!(
            "Exceeded the limit for the number of accessed pages in the stable memory in a single \
             message execution: limit {MESSAGE_KIB} KB for regular messages and {QUERY_KIB} KB for \
             queries."
        ))),
    }
}

fn too_many_written() -> Trap {
    Trap::Pages(format!(
        "Exceeded the limit for the number of modified pages in the stable memory in a single \
         execution: limit {MESSAGE_KIB} KB for regular messages, {UPGRADE_KIB} KB for upgrade \
         messages and {QUERY_KIB} KB for queries."
    ))
}
