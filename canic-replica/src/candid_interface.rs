//! The Candid interface of a module: extraction from the module, and its embedding as public
//! metadata.

use std::sync::Arc;

use wasmtime::{Extern, Instance, Store};

use crate::{
    execution::{explain, program_cache, programs::Program, system_api::host::Host},
    wasm::{address_type::AddressType, rewrite::with_metadata},
};

/// The function of a module that answers the address of the text in its memory. A zero byte ends
/// the text.
const FUNCTION: &str = "get_candid_pointer";
/// The name of the metadata section with the text.
const METADATA: &str = "candid:service";
/// The limit of instructions of this function, enough for thousands of types.
const MAX_INSTRUCTIONS: u64 = 1_000_000_000;

/// The Candid interface of a module, which is Wasm or gzipped Wasm: a `.did` file that ends with a
/// newline.
///
/// The module's function `get_candid_pointer`, which `export_candid!` generates, answers it.
/// Without this function the metadata section `candid:service` is read.
///
/// # Errors
/// The module is invalid, or has no interface. The error is a sentence that says so.
pub fn candid_interface(module: &[u8]) -> Result<String, String> {
    let program = load(module)?;
    let module = &program.module;
    let text = if module.has_export(FUNCTION) {
        exported_interface(&program)?
    } else if let Some((_, text)) = module.metadata.get(METADATA) {
        text.clone()
    } else {
        return Err(format!(
            "The module has no Candid interface: it neither exports '{FUNCTION}', which \
             `export_candid!()` at the end of the crate makes, nor has metadata '{METADATA}'."
        ));
    };
    let mut text = String::from_utf8(text)
        .map_err(|error| format!("The module's Candid interface is no text: {error}."))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// The module, decompressed, with this Candid interface as public metadata, where the network's
/// tools read it.
///
/// # Errors
/// The module is invalid. The error is a sentence that says so.
pub fn with_candid_interface(module: &[u8], interface: &str) -> Result<Vec<u8>, String> {
    load(module)?;
    with_metadata(module, METADATA, interface.as_bytes())
}

fn load(file: &[u8]) -> Result<Arc<Program>, String> {
    if !file.starts_with(b"\0asm") && !file.starts_with(&[0x1f, 0x8b]) {
        return Err("This is neither Wasm nor gzipped Wasm.".into());
    }
    program_cache::load(file)
}

/// The text that the module's function answers.
fn exported_interface(program: &Program) -> Result<Vec<u8>, String> {
    let failed = |why: String| format!("The module's '{FUNCTION}' failed: {why}.");
    let mut store = program.store(Host::idle());
    let instance = program
        .instantiate(&mut store)
        .map_err(|error| failed(format!("{error:#}")))?;
    let memory = program
        .module
        .state_exports
        .memory
        .and_then(|index| instance.get_module_export(&mut store, &index))
        .and_then(Extern::into_memory)
        .ok_or_else(|| failed("there is no memory".into()))?;
    // `ic0.trap` reads the message of a panic from this memory.
    store.data_mut().memory = Some(memory);
    let pointer = call(&mut store, &instance, program.module.address)
        .map_err(|error| failed(explain(&error, MAX_INSTRUCTIONS).to_string()))?;
    let mut text = memory
        .data(&store)
        .get(pointer as usize..)
        .ok_or_else(|| failed(format!("it answered {pointer}, beyond its memory")))?
        .splitn(2, |byte| *byte == 0);
    match (text.next(), text.next()) {
        (Some(text), Some(_)) => Ok(text.to_vec()),
        _ => Err(failed("its text has no end".into())),
    }
}

fn call(
    store: &mut Store<Host>,
    instance: &Instance,
    address: AddressType,
) -> wasmtime::Result<u64> {
    store.set_fuel(MAX_INSTRUCTIONS)?;
    match address {
        AddressType::I32 => instance
            .get_typed_func::<(), u32>(&mut *store, FUNCTION)?
            .call(store, ())
            .map(u64::from),
        AddressType::I64 => instance
            .get_typed_func::<(), u64>(&mut *store, FUNCTION)?
            .call(store, ()),
    }
}
