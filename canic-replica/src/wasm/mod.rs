//! WebAssembly modules: their checks, their rewriting for the replica, and their metering.

pub(crate) mod address_type;
pub(crate) mod engine;
pub(crate) mod global;
pub(crate) mod known_modules;
pub(crate) mod machine_code;
pub(crate) mod rewrite;
pub(crate) mod signature;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use wasmtime::{ExternType, ModuleExport};

use crate::{
    memory::Pages,
    wasm::{
        address_type::AddressType,
        global::Global,
        rewrite::{RESERVED, Survey, limit},
    },
};

/// A compiled module.
pub(crate) struct Module {
    /// SHA-256 of the bytes as they were installed, compressed or not.
    pub(crate) hash: [u8; 32],
    /// The module as it was installed, compressed or not.
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Bytes of the module, decompressed.
    pub(crate) size: usize,
    pub(crate) address: AddressType,
    /// Wasm instructions in its code.
    pub(crate) operators: u64,
    /// The names after `canister_update`, `canister_query` and `canister_composite_query`.
    pub(crate) updates: BTreeSet<String>,
    pub(crate) queries: BTreeSet<String>,
    pub(crate) composite_queries: BTreeSet<String>,
    /// Custom sections whose names begin with `icp:`, without that prefix: whether public, and the
    /// content.
    pub(crate) metadata: BTreeMap<String, (bool, Vec<u8>)>,
    /// Bytes that the platform counts for `metadata`: names, contents, and one for each visibility.
    pub(crate) metadata_bytes: usize,
    /// Bytes that the platform counts for globals.
    pub(crate) global_bytes: usize,
    /// Size of a fresh memory, in WebAssembly pages, and its contents.
    pub(crate) initial_size: u64,
    pub(crate) initial: Pages,
    /// The byte at which the zeros after the data segments begin.
    pub(crate) data_end: u64,
    /// The values of the mutable globals in a fresh instance.
    pub(crate) initial_globals: Vec<Global>,
    pub(crate) state_exports: ModuleExports,
    /// Whether it has a heartbeat. Every round reads it.
    pub(crate) heartbeat: bool,
    /// Whether it can read the certificate of its certified data. Every query reads it.
    pub(crate) reads_certificates: bool,
    /// The digest of the state tree below `metadata`.
    pub(crate) metadata_digest: [u8; 32],
    compiled: wasmtime::Module,
}

/// The exports by which the replica reaches the state of a rewritten module.
#[derive(Default)]
pub(crate) struct ModuleExports {
    pub(crate) memory: Option<ModuleExport>,
    pub(crate) table: Option<ModuleExport>,
    pub(crate) globals: Vec<ModuleExport>,
    pub(crate) start: Option<ModuleExport>,
}

impl Module {
    /// Describes a module before its first instantiation. `hash` and `bytes` are those of the
    /// module as it was installed; `size` is that of the decompressed module.
    pub(crate) fn new(
        hash: [u8; 32],
        bytes: &[u8],
        size: usize,
        survey: Survey,
        metadata_digest: [u8; 32],
        compiled: wasmtime::Module,
    ) -> Result<Self, String> {
        let export = |name: &str| compiled.get_export_index(&format!("{RESERVED}{name}"));
        let state_exports = ModuleExports {
            memory: export("memory"),
            table: export("table"),
            start: export("start"),
            globals: (0..survey.mutable_globals.len())
                .filter_map(|i| export(&format!("global {i}")))
                .collect(),
        };
        let heartbeat = compiled.get_export_index("canister_heartbeat").is_some();
        let reads_certificates = compiled
            .imports()
            .any(|import| import.name().starts_with("data_certificate"));
        let mut module = Self {
            hash,
            bytes: Arc::new(bytes.to_vec()),
            size,
            address: survey.address,
            operators: survey.operators,
            updates: BTreeSet::new(),
            queries: BTreeSet::new(),
            composite_queries: BTreeSet::new(),
            metadata_digest,
            metadata_bytes: (survey.metadata.iter())
                .map(|(name, (_, content))| name.len() + 1 + content.len())
                .sum(),
            global_bytes: survey.global_bytes(),
            metadata: survey.metadata,
            initial_size: 0,
            initial: Pages::default(),
            data_end: 0,
            initial_globals: Vec::new(),
            state_exports,
            heartbeat,
            reads_certificates,
            compiled,
        };
        let exports: Vec<_> = module
            .compiled
            .exports()
            .map(|export| (export.name().to_owned(), export.ty()))
            .collect();
        for (name, ty) in exports {
            module.add_entry_point(&name, &ty)?;
        }
        Ok(module)
    }

    /// Checks the limits of methods, and of the bytes of their names. The error is a sentence.
    pub(crate) fn check_method_names(&self) -> Result<(), String> {
        let kinds = [&self.updates, &self.queries, &self.composite_queries];
        let names = || kinds.into_iter().flatten().map(String::len);
        limit("exported methods", names().count(), MAX_METHODS)?;
        limit("bytes of method names", names().sum(), MAX_METHOD_NAMES)
    }

    /// Whether the module exports this entry point.
    pub(crate) fn has_export(&self, name: &str) -> bool {
        self.compiled.get_export_index(name).is_some()
    }

    /// Checks one export against the rules for entry points, and records it if it is a method.
    fn add_entry_point(&mut self, name: &str, ty: &ExternType) -> Result<(), String> {
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
}

/// The limits of methods, and of the bytes of their names.
const MAX_METHODS: usize = 1_000;
const MAX_METHOD_NAMES: usize = 20_000;
const ENTRY_POINTS: [&str; 7] = [
    "canister_init",
    "canister_pre_upgrade",
    "canister_post_upgrade",
    "canister_inspect_message",
    "canister_heartbeat",
    "canister_global_timer",
    "canister_on_low_wasm_memory",
];
