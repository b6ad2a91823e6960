//! Programs: modules, compiled and linked with the system API.

use std::{
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use wasmtime::{FuncType, Instance, InstancePre, Linker, PoolConcurrencyLimitError, Store};

use crate::{
    certification::tree,
    execution::system_api::{
        self,
        host::{self, Host},
    },
    memory::{PAGE, WASM_PAGE, non_zero},
    wasm::{
        Module,
        address_type::AddressType,
        engine::engine,
        global::Global,
        machine_code,
        rewrite::{Survey, decompress, rewrite},
    },
};

/// How long a message waits before it tries again to get an instance.
const WAIT: Duration = Duration::from_millis(1);

/// The system API for modules of this address type.
fn linker(address: AddressType) -> &'static Linker<Host> {
    const TWICE: &str = "no system API function is defined twice";
    static WASM32: LazyLock<Linker<Host>> =
        LazyLock::new(|| system_api::linker::<u32>(engine(AddressType::I32)).expect(TWICE));
    static WASM64: LazyLock<Linker<Host>> =
        LazyLock::new(|| system_api::linker::<u64>(engine(AddressType::I64)).expect(TWICE));
    match address {
        AddressType::I32 => &WASM32,
        AddressType::I64 => &WASM64,
    }
}

/// The type of the system API's function of this name.
fn function_type(address: AddressType, name: &str) -> Option<FuncType> {
    let mut store = host::store(engine(address), Host::idle());
    let function = linker(address).get(&mut store, "ic0", name).ok()?;
    Some(function.into_func()?.ty(&store))
}

/// A module that is ready to be instantiated.
pub(crate) struct Program {
    pub(crate) module: Arc<Module>,
    linked: InstancePre<Host>,
}

impl Program {
    /// Compiles and links the module of this hash. The error is a sentence that says why the module
    /// is not valid.
    pub(crate) fn compile(hash: [u8; 32], bytes: &[u8]) -> Result<Self, String> {
        let plain = decompress(bytes)?;
        let survey = Survey::of(&plain, function_type)?;
        let address = survey.address;
        let rewritten = rewrite(&plain, &survey)?;
        let compiled = machine_code::load(engine(address), &rewritten)
            .map_err(|error| format!("Failed to compile the module: {error:#}"))?;
        let linked = linker(address)
            .instantiate_pre(&compiled)
            .map_err(|error| format!("Wasm module has an invalid import section. {error:#}"))?;
        let data_end = survey.data_end;
        let digest = tree::metadata(&survey.metadata).digest();
        let mut module = Module::new(hash, bytes, plain.len(), survey, digest, compiled)?;
        measure(&mut module, &linked, data_end)?;
        Ok(Self {
            module: Arc::new(module),
            linked,
        })
    }

    /// A store for one message.
    pub(crate) fn store(&self, host: Host) -> Store<Host> {
        host::store(engine(self.module.address), host)
    }

    /// A fresh instance. Instantiation runs no guest code; the fuel in the store is spent on
    /// filling tables and memories.
    pub(crate) fn instantiate(&self, store: &mut Store<Host>) -> wasmtime::Result<Instance> {
        instantiate(&self.linked, store)
    }

    /// Whether an instance can have a heap of `pages` pages.
    pub(crate) fn holds(&self, pages: u64) -> bool {
        let module = &self.module;
        let Some(index) = &module.state_exports.memory else {
            return pages == 0;
        };
        let mut store = self.store(Host::idle());
        let Ok(instance) = self.instantiate(&mut store) else {
            return false;
        };
        let memory = instance
            .get_module_export(&mut store, index)
            .and_then(|export| export.into_memory());
        let declared = memory.and_then(|memory| memory.ty(&store).maximum());
        let most = module.address.max_heap() / WASM_PAGE;
        (module.initial_size..=declared.unwrap_or(most).min(most)).contains(&pages)
    }
}

fn instantiate(linked: &InstancePre<Host>, store: &mut Store<Host>) -> wasmtime::Result<Instance> {
    loop {
        store.set_fuel(u64::MAX)?;
        match linked.instantiate(&mut *store) {
            // Messages that run at this moment occupy all slots. One of them will end.
            Err(error) if error.is::<PoolConcurrencyLimitError>() => thread::sleep(WAIT),
            result => return result,
        }
    }
}

/// Instantiates once, to learn what a fresh memory holds and that the segments fit.
fn measure(module: &mut Module, linked: &InstancePre<Host>, data_end: u64) -> Result<(), String> {
    let mut store = host::store(engine(module.address), Host::idle());
    let instance = instantiate(linked, &mut store)
        .map_err(|error| format!("Failed to instantiate: {error:#}"))?;
    if let Some(memory) = module
        .state_exports
        .memory
        .and_then(|index| instance.get_module_export(&mut store, &index))
    {
        let memory = memory.into_memory().ok_or("The exported memory is none.")?;
        module.initial_size = memory.size(&store);
        let data = memory.data(&store);
        // Beyond the data segments a fresh memory is zero.
        let end = data_end.min(data.len() as u64) as usize;
        let end = end.next_multiple_of(PAGE);
        module.initial = non_zero(&data[..end]);
        module.data_end = end as u64;
    }
    for index in &module.state_exports.globals {
        let global = instance
            .get_module_export(&mut store, index)
            .and_then(|export| export.into_global())
            .and_then(|global| Global::of(&global.get(&mut store)));
        module
            .initial_globals
            .push(global.ok_or("A mutable global is no number.")?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::engine::SLOTS;

    #[test]
    fn a_message_waits_for_others_if_too_many_run_at_once() {
        let program =
            Program::compile([0; 32], &wat::parse_str("(module (memory 1))").unwrap()).unwrap();
        let program = Arc::new(program);
        let start = move || {
            let mut store = program.store(Host::idle());
            program.instantiate(&mut store).unwrap();
            store
        };
        let running: Vec<_> = (0..SLOTS).map(|_| start()).collect();
        let last = thread::spawn(start);
        // There is no free slot for it.
        thread::sleep(20 * WAIT);
        drop(running);
        last.join().unwrap();
    }
}
