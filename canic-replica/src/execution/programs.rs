//! Programs: modules, compiled and linked with the system API.

use std::{
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use wasmtime::{Instance, InstancePre, Linker, PoolConcurrencyLimitError, Store};

use crate::{
    certification::tree,
    execution::system_api::{
        self,
        host::{self, Host},
    },
    memory::{PAGE, non_zero},
    wasm::{
        Module,
        engine::ENGINE,
        global::Global,
        machine_code,
        rewrite::{Survey, decompress, rewrite},
    },
};

/// How long a message waits before it tries again to get an instance.
const WAIT: Duration = Duration::from_millis(1);

static LINKER: LazyLock<Linker<Host>> =
    LazyLock::new(|| system_api::linker(&ENGINE).expect("no system API function is defined twice"));

/// Whether the system API has a function of this name.
fn has_function(name: &str) -> bool {
    let mut store = host::store(&ENGINE, Host::idle());
    LINKER.get(&mut store, "ic0", name).is_ok()
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
        let survey = Survey::of(&plain, has_function)?;
        let rewritten = rewrite(&plain, &survey)?;
        let compiled = machine_code::load(&ENGINE, &rewritten)
            .map_err(|error| format!("Failed to compile the module: {error:#}"))?;
        let linked = LINKER
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
        host::store(&ENGINE, host)
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
        let most = memory.and_then(|memory| memory.ty(&store).maximum());
        (module.initial_size..=most.unwrap_or(1 << 16)).contains(&pages)
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
fn measure(
    module: &mut Module,
    linked: &InstancePre<Host>,
    data_end: Option<u64>,
) -> Result<(), String> {
    let mut store = host::store(&ENGINE, Host::idle());
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
        let end = data_end.map_or(data.len(), |end| end.next_multiple_of(PAGE as u64) as usize);
        let end = end.min(data.len());
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
