//! From a module's bytes to something that can be instantiated and metered.

mod engine;
mod machine_code;
mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::{ExternType, InstancePre, Linker, ModuleExport, PoolConcurrencyLimitError, Store};

use crate::canister::Number;
use crate::certification::certificate;
use crate::execution::program_cache::Cache;
use crate::execution::system_api::{self, Host};
use crate::memory::{PAGE, Pages, non_zero};
use engine::ENGINE;
use rewrite::{RESERVED, Survey, decompress, rewrite};

pub(crate) use rewrite::with_metadata;

/// How long a message waits before it looks again whether it can run.
const WAIT: Duration = Duration::from_millis(1);
/// Compiled modules that are kept in memory although no canister uses them.
const MAX_IDLE: usize = 500;
/// Bytes that these may have as Wasm.
const MAX_IDLE_BYTES: usize = 256 << 20;

fn cache() -> MutexGuard<'static, Cache> {
    static CACHE: LazyLock<Mutex<Cache>> =
        LazyLock::new(|| Mutex::new(Cache::new(MAX_IDLE, MAX_IDLE_BYTES)));
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A compiled module.
pub(crate) struct Module {
    /// SHA-256 of the bytes as they were installed, compressed or not.
    pub(crate) hash: [u8; 32],
    /// The module as it was installed, compressed or not.
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Bytes of the module, decompressed.
    pub(crate) size: usize,
    /// Wasm instructions in its code.
    pub(crate) operators: u64,
    /// The names after `canister_update`, `canister_query` and `canister_composite_query`.
    pub(crate) updates: BTreeSet<String>,
    pub(crate) queries: BTreeSet<String>,
    pub(crate) composite_queries: BTreeSet<String>,
    /// Custom sections whose names begin with `icp:`, without that prefix: whether public, and the content.
    pub(crate) metadata: BTreeMap<String, (bool, Vec<u8>)>,
    /// Bytes of all custom sections.
    pub(crate) custom_bytes: usize,
    /// Size of a fresh memory, in WebAssembly pages, and what the data segments write into it.
    pub(crate) initial_size: u64,
    pub(crate) initial: Pages,
    /// What the mutable globals are in a fresh instance.
    pub(crate) initial_globals: Vec<Number>,
    pub(crate) reach: Reach,
    /// Whether it has a heartbeat: asked in every round.
    pub(crate) heartbeat: bool,
    /// Whether it can read the certificate of its certified data: asked for every query.
    pub(crate) reads_certificates: bool,
    /// Of the state tree below `metadata`.
    pub(crate) metadata_digest: [u8; 32],
    pre: InstancePre<Host>,
}

/// Where a rewritten module exports its state.
#[derive(Default)]
pub(crate) struct Reach {
    pub(crate) memory: Option<ModuleExport>,
    pub(crate) table: Option<ModuleExport>,
    pub(crate) globals: Vec<ModuleExport>,
    pub(crate) start: Option<ModuleExport>,
}

impl Module {
    /// The compiled form of a module given as Wasm or as gzipped Wasm; each is compiled once, and again only
    /// after it was unused and many others came. The error is a
    /// sentence that says why the module is not valid.
    pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Self>, String> {
        let hash = Self::hash_of(bytes);
        let slot = cache().slot(hash);
        slot.get_or_init(|| Self::compile(hash, bytes).map(Arc::new))
            .clone()
    }

    /// SHA-256 of a module's bytes.
    pub(crate) fn hash_of(bytes: &[u8]) -> [u8; 32] {
        let known = cache().hash_of(bytes);
        known.unwrap_or_else(|| Sha256::digest(bytes).into())
    }

    pub(crate) fn compile(hash: [u8; 32], bytes: &[u8]) -> Result<Self, String> {
        let plain = decompress(bytes)?;
        let survey = Survey::of(&plain, knows)?;
        let rewritten = rewrite(&plain, &survey)?;
        let compiled = machine_code::load(&ENGINE, &rewritten)
            .map_err(|error| format!("Failed to compile the module: {error:#}"))?;
        let pre = LINKER
            .instantiate_pre(&compiled)
            .map_err(|error| format!("Wasm module has an invalid import section. {error:#}"))?;
        let export = |name: &str| compiled.get_export_index(&format!("{RESERVED}{name}"));
        let reach = Reach {
            memory: export("memory"),
            table: export("table"),
            start: export("start"),
            globals: (0..survey.mutable_globals.len())
                .filter_map(|i| export(&format!("global {i}")))
                .collect(),
        };
        let mut module = Self {
            hash,
            bytes: Arc::new(bytes.to_vec()),
            size: plain.len(),
            operators: survey.operators,
            updates: BTreeSet::new(),
            queries: BTreeSet::new(),
            composite_queries: BTreeSet::new(),
            metadata_digest: certificate::metadata(&survey.metadata).digest(),
            metadata: survey.metadata,
            custom_bytes: survey.custom_bytes,
            initial_size: 0,
            initial: Pages::default(),
            initial_globals: Vec::new(),
            reach,
            heartbeat: compiled.get_export_index("canister_heartbeat").is_some(),
            reads_certificates: compiled
                .imports()
                .any(|import| import.name().starts_with("data_certificate")),
            pre,
        };
        for export in compiled.exports() {
            module.admit_export(export.name(), &export.ty())?;
        }
        module.measure(survey.data_end)?;
        Ok(module)
    }

    /// A store for one message.
    pub(crate) fn store(&self, host: Host) -> Store<Host> {
        system_api::store(self.pre.module().engine(), host)
    }

    /// Whether the module exports this entry point.
    pub(crate) fn exports(&self, name: &str) -> bool {
        self.pre.module().get_export_index(name).is_some()
    }

    /// Runs no guest code, but filling tables and memories takes fuel, of which it gives plenty.
    pub(crate) fn instantiate(
        &self,
        store: &mut Store<Host>,
    ) -> wasmtime::Result<wasmtime::Instance> {
        loop {
            store.set_fuel(u64::MAX)?;
            match self.pre.instantiate(&mut *store) {
                // So many messages run at this moment. One of them will end.
                Err(error) if error.is::<PoolConcurrencyLimitError>() => thread::sleep(WAIT),
                result => return result,
            }
        }
    }

    /// Whether a heap of so many pages is one that an instance can have.
    pub(crate) fn holds(&self, pages: u64) -> bool {
        let Some(index) = &self.reach.memory else {
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
        (self.initial_size..=most.unwrap_or(1 << 16)).contains(&pages)
    }

    /// Checks one export against the rules for entry points, and notes it if it is a method.
    fn admit_export(&mut self, name: &str, ty: &ExternType) -> Result<(), String> {
        let invalid =
            |why: String| Err(format!("Wasm module has an invalid export section. {why}"));
        if !name.starts_with("canister_") {
            return Ok(());
        }
        let ExternType::Func(ty) = ty else {
            return invalid(format!("'{name}' is not a function."));
        };
        if ty.params().len() + ty.results().len() > 0 {
            return invalid(format!(
                "Exported function '{name}' must take no parameters and return nothing."
            ));
        }
        let fresh = match name.split_once(' ') {
            Some(("canister_update", method)) => self.updates.insert(method.to_owned()),
            Some(("canister_query", method)) => self.queries.insert(method.to_owned()),
            Some(("canister_composite_query", method)) => {
                self.composite_queries.insert(method.to_owned())
            }
            None if ENTRY_POINTS.contains(&name) => true,
            _ => {
                return invalid(format!(
                    "Exporting reserved function '{name}' with prefix \"canister_\"."
                ));
            }
        };
        let method = name.split_once(' ').map_or("", |(_, method)| method);
        let kinds = [&self.updates, &self.queries, &self.composite_queries];
        if !fresh
            || kinds
                .iter()
                .filter(|methods| methods.contains(method))
                .count()
                > 1
        {
            return invalid(format!("Method '{method}' is exported twice."));
        }
        Ok(())
    }

    /// Instantiates once, to learn what a fresh memory holds and that the segments fit.
    fn measure(&mut self, data_end: Option<u64>) -> Result<(), String> {
        let mut store = self.store(Host::idle());
        let instance = self
            .instantiate(&mut store)
            .map_err(|error| format!("Failed to instantiate: {error:#}"))?;
        if let Some(memory) = self
            .reach
            .memory
            .and_then(|index| instance.get_module_export(&mut store, &index))
        {
            let memory = memory.into_memory().ok_or("The exported memory is none.")?;
            self.initial_size = memory.size(&store);
            let data = memory.data(&store);
            // A large memory need not be read beyond what the segments reach.
            let end = data_end.map_or(data.len(), |end| end.next_multiple_of(PAGE as u64) as usize);
            self.initial = non_zero(&data[..end.min(data.len())]);
        }
        for index in &self.reach.globals {
            let global = instance
                .get_module_export(&mut store, index)
                .and_then(|export| export.into_global())
                .and_then(|global| Number::of(&global.get(&mut store)));
            self.initial_globals
                .push(global.ok_or("A mutable global is no number.")?);
        }
        Ok(())
    }
}

const ENTRY_POINTS: [&str; 7] = [
    "canister_init",
    "canister_pre_upgrade",
    "canister_post_upgrade",
    "canister_inspect_message",
    "canister_heartbeat",
    "canister_global_timer",
    "canister_on_low_wasm_memory",
];

static LINKER: LazyLock<Linker<Host>> =
    LazyLock::new(|| system_api::linker(&ENGINE).expect("no system API function is defined twice"));

/// Whether there is such a function of the system API.
fn knows(name: &str) -> bool {
    let mut store = system_api::store(&ENGINE, Host::idle());
    LINKER.get(&mut store, "ic0", name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_for_others_if_too_many_run_at_once() {
        let module = Module::load(&wat::parse_str("(module (memory 1))").unwrap()).unwrap();
        let start = move || {
            let mut store = module.store(Host::idle());
            module.instantiate(&mut store).unwrap();
            store
        };
        let running: Vec<_> = (0..engine::SLOTS).map(|_| start()).collect();
        let last = thread::spawn(start);
        // It finds no room.
        thread::sleep(20 * WAIT);
        drop(running);
        last.join().unwrap();
    }
}
