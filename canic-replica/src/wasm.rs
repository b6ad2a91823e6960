//! From a module's bytes to something that can be instantiated: checks, rewriting, metering, compilation.
//!
//! A canister's state lives outside of wasmtime: before each message a fresh instance is filled with it, and after it the
//! state is read back. So that all of it can be reached, a module is rewritten before it is compiled: its memory, its
//! first table and every mutable global are exported under reserved names, and its start function becomes an
//! export that runs at installation only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use sha2::{Digest, Sha256};
use wasm_encoder::ExportKind;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};
use wasmtime::{Engine, ExternType, InstancePre, ModuleExport, OperatorCost, Store};

use crate::memory::{Pages, non_zero};
use crate::system_api::{self, Host};

/// Longest module, in bytes, decompressed.
const MAX_MODULE: usize = 100 * 1024 * 1024;
/// Longest code section, in bytes.
const MAX_CODE: usize = 11 * 1024 * 1024;
const MAX_FUNCTIONS: u32 = 50_000;
const MAX_GLOBALS: u32 = 1_000;
const MAX_EXPORTS: u32 = 1_000;
const MAX_EXPORT_NAMES: usize = 20_000;
const MAX_CUSTOM_SECTIONS: usize = 16;
const MAX_CUSTOM_BYTES: usize = 1024 * 1024;
/// Entries a table may have.
pub(crate) const MAX_TABLE: usize = 1_000_000;
/// Native stack that a message may use, in bytes. It must fit into the smallest thread that runs one.
const STACK: usize = 1024 * 1024;

/// Under this prefix the rewritten module exports what the replica needs to reach.
const RESERVED: &str = "replica ";

/// A compiled module.
pub(crate) struct Module {
    /// SHA-256 of the bytes as they were installed, compressed or not.
    pub(crate) hash: [u8; 32],
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
    pub(crate) reach: Reach,
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
    /// The compiled form of a module given as Wasm or as gzipped Wasm; each is compiled once per process. The error is a
    /// sentence that says why the module is not valid.
    pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Self>, String> {
        type Slot = Arc<OnceLock<Result<Arc<Module>, String>>>;
        static CACHE: LazyLock<Mutex<HashMap<[u8; 32], Slot>>> = LazyLock::new(Mutex::default);

        let hash = Sha256::digest(bytes).into();
        let slot = {
            let mut cache = CACHE
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            Arc::clone(cache.entry(hash).or_default())
        };
        slot.get_or_init(|| Self::compile(hash, bytes).map(Arc::new))
            .clone()
    }

    fn compile(hash: [u8; 32], bytes: &[u8]) -> Result<Self, String> {
        let plain = decompress(bytes)?;
        let survey = Survey::of(&plain)?;
        let rewritten = rewrite(&plain, &survey)?;
        let compiled = wasmtime::Module::new(&ENGINE, &rewritten)
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
            size: plain.len(),
            operators: survey.operators,
            updates: BTreeSet::new(),
            queries: BTreeSet::new(),
            composite_queries: BTreeSet::new(),
            metadata: survey.metadata,
            custom_bytes: survey.custom_bytes,
            initial_size: 0,
            initial: Pages::default(),
            reach,
            pre,
        };
        for export in compiled.exports() {
            module.admit_export(export.name(), &export.ty())?;
        }
        module.measure()?;
        Ok(module)
    }

    /// Whether the module exports this entry point.
    pub(crate) fn exports(&self, name: &str) -> bool {
        self.pre.module().get_export_index(name).is_some()
    }

    pub(crate) fn instantiate(
        &self,
        store: &mut Store<Host>,
    ) -> wasmtime::Result<wasmtime::Instance> {
        self.pre.instantiate(store)
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
    fn measure(&mut self) -> Result<(), String> {
        let mut store = system_api::store(Host::idle());
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
            self.initial = non_zero(memory.data(&store));
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

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return if bytes.len() > MAX_MODULE {
            Err(too_large())
        } else {
            Ok(bytes.to_vec())
        };
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .take(MAX_MODULE as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| format!("Failed to decompress Wasm module: {error}."))?;
    if plain.len() > MAX_MODULE {
        Err(too_large())
    } else {
        Ok(plain)
    }
}

fn too_large() -> String {
    format!("The module is larger than the limit of {MAX_MODULE} bytes.")
}

/// What one pass over a module's bytes tells.
#[derive(Default)]
struct Survey {
    operators: u64,
    mutable_globals: Vec<u32>,
    memory: bool,
    table: bool,
    start: Option<u32>,
    metadata: BTreeMap<String, (bool, Vec<u8>)>,
    custom_bytes: usize,
}

impl Survey {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut survey = Self::default();
        let mut customs = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(unreadable)? {
                Payload::Version {
                    encoding: wasmparser::Encoding::Component,
                    ..
                } => {
                    return Err("Wasm components are not supported.".into());
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.map_err(unreadable)?;
                        admit_import(import.module, import.name, import.ty)?;
                    }
                }
                Payload::FunctionSection(functions) => {
                    limit("functions", functions.count(), MAX_FUNCTIONS)?
                }
                Payload::TableSection(tables) => survey.table = tables.count() > 0,
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        survey.memory = true;
                        if memory.map_err(unreadable)?.memory64 {
                            return Err("Wasm64 memories are not supported by this replica.".into());
                        }
                    }
                }
                Payload::GlobalSection(globals) => {
                    limit("globals", globals.count(), MAX_GLOBALS)?;
                    for (index, global) in globals.into_iter().enumerate() {
                        let ty = global.map_err(unreadable)?.ty;
                        if ty.mutable && ty.content_type.is_reference_type() {
                            return Err(
                                "Mutable globals of a reference type are not supported.".into()
                            );
                        }
                        if ty.mutable {
                            survey.mutable_globals.push(index as u32);
                        }
                    }
                }
                Payload::ExportSection(exports) => survey.count_exports(exports)?,
                Payload::StartSection { func, .. } => survey.start = Some(func),
                Payload::CodeSectionStart { size, .. } => {
                    limit("bytes of code", size, MAX_CODE as u32)?;
                }
                Payload::CodeSectionEntry(body) => {
                    let mut operators = body.get_operators_reader().map_err(unreadable)?;
                    while !operators.eof() {
                        operators.read().map_err(unreadable)?;
                        survey.operators += 1;
                    }
                }
                Payload::CustomSection(section) => {
                    customs += 1;
                    survey.keep_custom(section.name(), section.data())?;
                }
                _ => {}
            }
        }
        if customs > MAX_CUSTOM_SECTIONS || survey.custom_bytes > MAX_CUSTOM_BYTES {
            return Err(format!(
                "Wasm module has an invalid custom section. At most {MAX_CUSTOM_SECTIONS} custom sections of \
                 {MAX_CUSTOM_BYTES} bytes in all are allowed, the module has {customs} of {} bytes.",
                survey.custom_bytes
            ));
        }
        Ok(survey)
    }

    fn count_exports(
        &mut self,
        exports: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), String> {
        limit("exports", exports.count(), MAX_EXPORTS)?;
        let mut names = 0;
        for export in exports {
            let export = export.map_err(unreadable)?;
            names += export.name.len();
            if export.name.starts_with(RESERVED) {
                return Err(format!(
                    "Exports may not begin with '{RESERVED}': '{}'.",
                    export.name
                ));
            }
        }
        limit(
            "bytes of export names",
            names as u32,
            MAX_EXPORT_NAMES as u32,
        )
    }

    fn keep_custom(&mut self, name: &str, data: &[u8]) -> Result<(), String> {
        self.custom_bytes += name.len() + data.len();
        let section = match name.strip_prefix("icp:").map(|rest| rest.split_once(' ')) {
            None => return Ok(()),
            Some(Some(("public", name))) => (name, true),
            Some(Some(("private", name))) => (name, false),
            Some(_) => {
                return Err(format!(
                    "Wasm module has an invalid custom section. Its name is '{name}'."
                ));
            }
        };
        if self
            .metadata
            .insert(section.0.to_owned(), (section.1, data.to_vec()))
            .is_some()
        {
            return Err(format!(
                "Wasm module has an invalid custom section. '{name}' is defined twice."
            ));
        }
        Ok(())
    }
}

fn admit_import(module: &str, name: &str, ty: TypeRef) -> Result<(), String> {
    let problem = match ty {
        TypeRef::Func(_) if module == "ic0" && system_api::knows(&LINKER, name) => return Ok(()),
        TypeRef::Func(_) => format!(
            "Module imports function '{name}' from '{module}' that is not exported by the runtime."
        ),
        _ => format!("Module imports '{name}' from '{module}', which is not a function."),
    };
    Err(format!(
        "Wasm module has an invalid import section. {problem}"
    ))
}

fn limit(what: &str, found: u32, allowed: u32) -> Result<(), String> {
    if found > allowed {
        return Err(format!(
            "The module has {found} {what}, the limit is {allowed}."
        ));
    }
    Ok(())
}

fn unreadable(error: wasmparser::BinaryReaderError) -> String {
    format!("Failed to decode wasm module: {error}")
}

/// The module with the exports that [`Reach`] wants, without its start section and its custom sections.
fn rewrite(bytes: &[u8], survey: &Survey) -> Result<Vec<u8>, String> {
    let mut exports = wasm_encoder::ExportSection::new();
    let mut sections: Vec<(u8, Range<usize>)> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(unreadable)? {
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(unreadable)?;
                    let kind = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
                        ExternalKind::Table => ExportKind::Table,
                        ExternalKind::Memory => ExportKind::Memory,
                        ExternalKind::Global => ExportKind::Global,
                        ExternalKind::Tag => {
                            return Err("Wasm exceptions are not supported.".into());
                        }
                    };
                    exports.export(export.name, kind, export.index);
                }
            }
            Payload::StartSection { .. } | Payload::CustomSection(_) => {}
            other => sections.extend(other.as_section()),
        }
    }
    let mut reach = |name: String, kind: ExportKind, index: u32| {
        exports.export(&format!("{RESERVED}{name}"), kind, index);
    };
    if survey.memory {
        reach("memory".into(), ExportKind::Memory, 0);
    }
    if survey.table {
        reach("table".into(), ExportKind::Table, 0);
    }
    if let Some(start) = survey.start {
        reach("start".into(), ExportKind::Func, start);
    }
    for (i, index) in survey.mutable_globals.iter().enumerate() {
        reach(format!("global {i}"), ExportKind::Global, *index);
    }

    let mut module = wasm_encoder::Module::new();
    let before = sections
        .iter()
        .take_while(|(id, _)| !AFTER_EXPORTS.contains(id))
        .count();
    for (id, range) in &sections[..before] {
        module.section(&wasm_encoder::RawSection {
            id: *id,
            data: &bytes[range.clone()],
        });
    }
    module.section(&exports);
    for (id, range) in &sections[before..] {
        module.section(&wasm_encoder::RawSection {
            id: *id,
            data: &bytes[range.clone()],
        });
    }
    Ok(module.finish())
}

/// Ids of the sections that come after the export section: element, data count, code, data.
const AFTER_EXPORTS: [u8; 4] = [9, 12, 10, 11];

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = wasmtime::Config::new();
    config
        .consume_fuel(true)
        .operator_cost(weights())
        .cranelift_opt_level(wasmtime::OptLevel::Speed)
        // Two nodes must agree on every bit.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .max_wasm_stack(STACK)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .memory_init_cow(true);
    // The options above are constants that fit together; no input can make this fail.
    Engine::new(&config).expect("the engine's options fit together")
});

static LINKER: LazyLock<wasmtime::Linker<Host>> =
    LazyLock::new(|| system_api::linker(&ENGINE).expect("no system API function is defined twice"));

/// What the platform charges for each Wasm instruction. What is not named costs 1.
fn weights() -> OperatorCost {
    let mut cost = OperatorCost::new();
    macro_rules! weigh {
        ($($weight:literal: $($operator:ident)*;)*) => { $($(cost.$operator = $weight;)*)* };
    }
    weigh! {
        0: Block Loop Else End;
        1: Nop Drop Return Unreachable;
        2: Br BrIf BrTable If GlobalGet GlobalSet;
        5: Call ReturnCall TableGet TableSet;
        10: CallIndirect ReturnCallIndirect I32DivS I32DivU I32RemS I32RemU I64DivS I64DivU I64RemS I64RemU;
        20: MemorySize;
        100: MemoryCopy MemoryFill MemoryInit TableCopy TableFill TableInit DataDrop ElemDrop TableSize TableGrow;
        // The platform's figure is 300, more than the table can hold.
        255: MemoryGrow;
        2: F32Add F32Sub F32Mul F64Add F64Sub F64Mul F32Abs F32Neg F64Abs F64Neg;
        3: F32Div F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge;
        5: F64Div F32Sqrt;
        8: F64Sqrt;
        18: F32Min F32Max F64Min F64Max;
        20: F32Ceil F32Floor F32Trunc F32Nearest F64Ceil F64Floor F64Trunc F64Nearest;
        3: F32ConvertI32S F32ConvertI64S F64ConvertI32S F64ConvertI64S F64ConvertI32U F32ConvertI32U;
        16: F32ConvertI64U F64ConvertI64U;
        20: I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U;
    }
    cost
}
