//! The survey of a module's bytes, and the form in which it is compiled.
//!
//! A canister's state lives outside of wasmtime: the replica restores it into a fresh instance
//! before each message, and captures it afterwards. For access to all of it, a module is rewritten
//! before it is compiled. Its memory, its first table and every mutable global are exported under
//! reserved names. Its start function becomes an export that runs at installation only.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    ops::Range,
};

use wasm_encoder::ExportKind;
use wasmparser::{
    CompositeInnerType, DataKind, ExternalKind, FuncType, Import, MemoryType, Operator, Parser,
    Payload, RecGroup, TypeRef,
};

use crate::{
    memory::WASM_PAGE,
    wasm::{
        address_type::AddressType,
        engine::{MAX_TABLE, MAX_TABLES, PADDING},
        signature::{SystemApi, check_signature},
    },
};

/// Longest module, in bytes, decompressed.
const MAX_MODULE: usize = 100 * 1024 * 1024;
/// Longest code section, in bytes.
const MAX_CODE: usize = 11 * 1024 * 1024;
const MAX_FUNCTIONS: usize = 50_000;
const MAX_GLOBALS: usize = 1_000;
/// The limit of operators of one function, as compilation may take more than linear time.
const MAX_OPERATORS: u64 = 1_000_000;
/// The limit of locals of all functions. Each takes compile time, and a few bytes declare
/// thousands.
const MAX_LOCALS: usize = 5_000_000;
const MAX_CUSTOM_SECTIONS: usize = 16;
const MAX_CUSTOM_BYTES: usize = 1024 * 1024;
/// The limit of padding, in bytes: enough for a million such operators, which no compiler writes.
const MAX_PADDING: usize = 45_000_000;
/// The platform's size of the value of a global, in bytes.
pub(crate) const GLOBAL_BYTES: usize = 32;
/// The prefix of the exports that rewriting adds.
pub(crate) const RESERVED: &str = "replica ";

pub(crate) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, String> {
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

/// The address type of a module, compressed or not. Bytes that are no module count as 32-bit.
pub(crate) fn address_of(bytes: &[u8]) -> AddressType {
    let Ok(plain) = decompress(bytes) else {
        return AddressType::default();
    };
    for payload in Parser::new(0).parse_all(&plain) {
        match payload {
            Ok(Payload::MemorySection(memories)) => {
                let is_wide = |memory: MemoryType| memory.memory64;
                return match memories.into_iter().flatten().any(is_wide) {
                    true => AddressType::I64,
                    false => AddressType::I32,
                };
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    AddressType::default()
}

fn too_large() -> String {
    format!("The module is larger than the limit of {MAX_MODULE} bytes.")
}

/// The result of one pass over a module's bytes.
#[derive(Default)]
pub(crate) struct Survey {
    pub(crate) address: AddressType,
    /// Wasm instructions in its code.
    pub(crate) operators: u64,
    /// The indexes of the mutable globals.
    pub(crate) mutable_globals: Vec<u32>,
    /// The indexes of the exported globals, and the number of their exports.
    exported_globals: BTreeSet<u32>,
    global_exports: usize,
    functions: usize,
    locals: usize,
    memory: bool,
    table: bool,
    start: Option<u32>,
    /// The offsets of the operators whose weight needs [`PADDING`].
    padded_operators: Vec<usize>,
    /// Custom sections whose names begin with `icp:`, without that prefix: whether public, and the
    /// content.
    pub(crate) metadata: BTreeMap<String, (bool, Vec<u8>)>,
    /// Bytes of these sections.
    metadata_bytes: usize,
    /// The end of the data segments in memory.
    pub(crate) data_end: u64,
}

impl Survey {
    /// Surveys a module. `system_api` has the types of the functions that it may import.
    pub(crate) fn of(bytes: &[u8], system_api: SystemApi) -> Result<Self, String> {
        let mut survey = Self::default();
        let mut types = Vec::new();
        let mut imports = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(unreadable)? {
                Payload::TypeSection(groups) => {
                    for group in groups {
                        types.extend(function_types(group.map_err(unreadable)?));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imports.push(import.map_err(unreadable)?);
                    }
                }
                section => survey.read_section(section)?,
            }
        }
        survey.check_custom_sections()?;
        // Only the memory, which follows the imports, tells the types that they must have.
        for import in &imports {
            check_import(import, &types, survey.address, system_api)?;
        }
        Ok(survey)
    }

    /// Reads a section other than types and imports.
    fn read_section(&mut self, section: Payload<'_>) -> Result<(), String> {
        match section {
            Payload::Version {
                encoding: wasmparser::Encoding::Component,
                ..
            } => return Err("Wasm components are not supported.".into()),
            Payload::FunctionSection(functions) => {
                limit("functions", functions.count() as usize, MAX_FUNCTIONS)?;
            }
            Payload::TableSection(tables) => self.read_tables(tables)?,
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.record_memory(&memory.map_err(unreadable)?)?;
                }
            }
            Payload::GlobalSection(globals) => self.read_globals(globals)?,
            Payload::ExportSection(exports) => self.check_exports(exports)?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionStart { size, .. } if size as usize > MAX_CODE => {
                return Err(format!(
                    "Wasm module code section size of {size} exceeds the maximum allowed size of \
                     {MAX_CODE}"
                ));
            }
            Payload::CodeSectionEntry(body) => {
                self.read_function(&body)?;
                self.functions += 1;
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    self.record_segment(&segment.map_err(unreadable)?)?;
                }
            }
            Payload::CustomSection(section) => {
                self.record_custom_section(section.name(), section.data())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn read_tables(&mut self, tables: wasmparser::TableSectionReader<'_>) -> Result<(), String> {
        self.table = tables.count() > 0;
        limit("tables", tables.count() as usize, MAX_TABLES)?;
        for table in tables {
            let entries = table.map_err(unreadable)?.ty.initial;
            let entries = usize::try_from(entries).unwrap_or(usize::MAX);
            limit("table entries", entries, MAX_TABLE)?;
        }
        Ok(())
    }

    fn read_globals(&mut self, globals: wasmparser::GlobalSectionReader<'_>) -> Result<(), String> {
        limit("globals", globals.count() as usize, MAX_GLOBALS)?;
        for (index, global) in globals.into_iter().enumerate() {
            let ty = global.map_err(unreadable)?.ty;
            if ty.mutable && ty.content_type.is_reference_type() {
                return Err("Mutable globals of a reference type are not supported.".into());
            }
            if ty.mutable {
                self.mutable_globals.push(index as u32);
            }
        }
        Ok(())
    }

    /// Checks the sections that the platform keeps. As there, others do not count.
    fn check_custom_sections(&self) -> Result<(), String> {
        let (sections, bytes) = (self.metadata.len(), self.metadata_bytes);
        if sections <= MAX_CUSTOM_SECTIONS && bytes <= MAX_CUSTOM_BYTES {
            return Ok(());
        }
        Err(format!(
            "Wasm module has an invalid custom section. At most {MAX_CUSTOM_SECTIONS} custom \
             sections of {MAX_CUSTOM_BYTES} bytes in all are allowed, the module has {sections} of \
             {bytes} bytes."
        ))
    }

    /// Records the memory. The limit of a 32-bit memory is its address space.
    fn record_memory(&mut self, memory: &MemoryType) -> Result<(), String> {
        self.memory = true;
        if memory.memory64 {
            self.address = AddressType::I64;
            let pages = memory.initial.max(memory.maximum.unwrap_or(0));
            let most = AddressType::I64.max_heap() / WASM_PAGE;
            limit("memory pages", pages as usize, most as usize)?;
        }
        Ok(())
    }

    /// Counts a function's operators, and refuses operators that change tables: like the platform,
    /// the replica keeps no tables between messages.
    fn read_function(&mut self, body: &wasmparser::FunctionBody<'_>) -> Result<(), String> {
        let index = self.functions;
        let before = self.operators;
        for locals in body.get_locals_reader().map_err(unreadable)? {
            self.locals += locals.map_err(unreadable)?.0 as usize;
        }
        limit("locals", self.locals, MAX_LOCALS)?;
        let mut operators = body.get_operators_reader().map_err(unreadable)?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().map_err(unreadable)?;
            self.operators += 1;
            let unsupported = match operator {
                Operator::MemoryGrow { .. }
                | Operator::DataDrop { .. }
                | Operator::ElemDrop { .. } => {
                    self.padded_operators.push(offset);
                    continue;
                }
                Operator::TableSet { .. } => "table.set",
                Operator::TableGrow { .. } => "table.grow",
                Operator::TableFill { .. } => "table.fill",
                Operator::TableCopy { .. } => "table.copy",
                Operator::TableInit { .. } => "table.init",
                _ => continue,
            };
            return Err(format!(
                "Wasm module contains a function at index {index} with unsupported instruction \
                 {unsupported}"
            ));
        }
        let size = self.operators - before;
        if size > MAX_OPERATORS {
            return Err(format!(
                "Wasm module contains a function at index {index} of size {size} that exceeds the \
                 maximum allowed size of {MAX_OPERATORS}"
            ));
        }
        Ok(())
    }

    /// Records where a segment ends. The platform, which places segments itself, takes constant
    /// offsets only.
    fn record_segment(&mut self, segment: &wasmparser::Data<'_>) -> Result<(), String> {
        let DataKind::Active { offset_expr, .. } = &segment.kind else {
            return Ok(());
        };
        let mut operators = offset_expr.get_operators_reader();
        let offset = operators.read().map_err(unreadable)?;
        let rest = operators.read().map_err(unreadable)?;
        let (start, bits) = match (self.address, &offset) {
            (AddressType::I32, Operator::I32Const { value }) => {
                (Some(u64::from(*value as u32)), 32)
            }
            (AddressType::I64, Operator::I64Const { value }) => (Some(*value as u64), 64),
            (AddressType::I32, _) => (None, 32),
            (AddressType::I64, _) => (None, 64),
        };
        match (start, rest) {
            (Some(start), Operator::End) => {
                let end = start.saturating_add(segment.data.len() as u64);
                self.data_end = self.data_end.max(end);
                Ok(())
            }
            _ => Err(format!(
                "Wasm module has an invalid data section. Invalid offset expression in data \
                 segment for {bits}bit memory: {offset:?}"
            )),
        }
    }

    fn check_exports(
        &mut self,
        exports: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), String> {
        for export in exports {
            let export = export.map_err(unreadable)?;
            let name = export.name;
            if export.kind == ExternalKind::Global {
                self.exported_globals.insert(export.index);
                self.global_exports += 1;
            }
            if name.starts_with(RESERVED) {
                return Err(format!(
                    "Exports may not begin with '{RESERVED}': '{name}'."
                ));
            }
        }
        Ok(())
    }

    /// The bytes that the platform counts for globals: those that the module exports, those that
    /// the platform exports because they can change, and its counter of instructions.
    pub(crate) fn global_bytes(&self) -> usize {
        let hidden = self.mutable_globals.iter();
        let hidden = hidden.filter(|index| !self.exported_globals.contains(index));
        GLOBAL_BYTES * (self.global_exports + hidden.count() + 1)
    }

    fn record_custom_section(&mut self, name: &str, data: &[u8]) -> Result<(), String> {
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
        self.metadata_bytes += section.0.len() + data.len();
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

/// The function types of a group; `None` for other types.
fn function_types(group: RecGroup) -> impl Iterator<Item = Option<FuncType>> {
    group.into_types().map(|ty| match ty.composite_type.inner {
        CompositeInnerType::Func(ty) => Some(ty),
        _ => None,
    })
}

fn check_import(
    import: &Import<'_>,
    types: &[Option<FuncType>],
    address: AddressType,
    system_api: SystemApi,
) -> Result<(), String> {
    let Import { module, name, ty } = *import;
    let problem = match ty {
        TypeRef::Func(index) => {
            let expected = system_api(address, name).filter(|_| module == "ic0");
            if let Some(expected) = expected {
                let found = types.get(index as usize).and_then(Option::as_ref);
                let found = found.ok_or("A function is imported with a type that is none.")?;
                return check_signature(name, &expected, found);
            }
            format!(
                "Module imports function '{name}' from '{module}' that is not exported by the \
                 runtime."
            )
        }
        _ => format!("Module imports '{name}' from '{module}', which is not a function."),
    };
    Err(format!(
        "Wasm module has an invalid import section. {problem}"
    ))
}

pub(super) fn limit(what: &str, found: usize, allowed: usize) -> Result<(), String> {
    if found > allowed {
        return Err(format!(
            "Wasm module defined {found} {what} which exceeds the maximum number allowed {allowed}."
        ));
    }
    Ok(())
}

fn unreadable(error: wasmparser::BinaryReaderError) -> String {
    format!("Failed to decode wasm module: {error}")
}

/// The module with the exports for [`super::ModuleExports`], without its start section and its
/// custom sections.
pub(crate) fn rewrite(bytes: &[u8], survey: &Survey) -> Result<Vec<u8>, String> {
    let mut exports = wasm_encoder::ExportSection::new();
    let mut sections: Vec<(u8, Range<usize>)> = Vec::new();
    let mut bodies = Vec::new();
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
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            other => sections.extend(other.as_section()),
        }
    }
    let mut add_export = |name: String, kind: ExportKind, index: u32| {
        exports.export(&format!("{RESERVED}{name}"), kind, index);
    };
    if survey.memory {
        add_export("memory".into(), ExportKind::Memory, 0);
    }
    if survey.table {
        add_export("table".into(), ExportKind::Table, 0);
    }
    if let Some(start) = survey.start {
        add_export("start".into(), ExportKind::Func, start);
    }
    for (i, index) in survey.mutable_globals.iter().enumerate() {
        add_export(format!("global {i}"), ExportKind::Global, *index);
    }

    let code = pad(bytes, &bodies, &survey.padded_operators)?;
    let mut module = wasm_encoder::Module::new();
    let mut written = false;
    for (id, range) in sections {
        if AFTER_EXPORTS.contains(&id) && !std::mem::replace(&mut written, true) {
            module.section(&exports);
        }
        if id == CODE && !survey.padded_operators.is_empty() {
            module.section(&code);
        } else {
            let data = &bytes[range];
            module.section(&wasm_encoder::RawSection { id, data });
        }
    }
    if !written {
        module.section(&exports);
    }
    Ok(module.finish())
}

/// A valid module, decompressed, with public metadata of this name in place of existing metadata of
/// the name.
pub(crate) fn with_metadata(bytes: &[u8], name: &str, data: &[u8]) -> Result<Vec<u8>, String> {
    let plain = decompress(bytes)?;
    let own = format!("icp:public {name}");
    let replaced = [own.clone(), format!("icp:private {name}")];
    let mut module = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(&plain) {
        let payload = payload.map_err(unreadable)?;
        let is_replaced = |name: &str| replaced.iter().any(|other| other == name);
        if matches!(&payload, Payload::CustomSection(custom) if is_replaced(custom.name())) {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let data = &plain[range];
            module.section(&wasm_encoder::RawSection { id, data });
        }
    }
    module.section(&wasm_encoder::CustomSection {
        name: own.into(),
        data: data.into(),
    });
    Ok(module.finish())
}

/// The code section with [`PADDING`] before each of the operators at the offsets `dear`.
fn pad(
    bytes: &[u8],
    bodies: &[Range<usize>],
    mut padded_operators: &[usize],
) -> Result<wasm_encoder::CodeSection, String> {
    const NOP: u8 = 1;
    let mut code = wasm_encoder::CodeSection::new();
    if padded_operators.len() * PADDING > MAX_PADDING {
        return Err(format!(
            "The module has {} instructions that grow memory or drop segments; canic-replica takes \
             {}.",
            padded_operators.len(),
            MAX_PADDING / PADDING
        ));
    }
    for body in bodies {
        let mut padded = Vec::with_capacity(body.len());
        let mut from = body.start;
        while let Some((&offset, rest)) = padded_operators.split_first()
            && offset < body.end
        {
            padded.extend_from_slice(&bytes[from..offset]);
            padded.extend_from_slice(&[NOP; PADDING]);
            (from, padded_operators) = (offset, rest);
        }
        padded.extend_from_slice(&bytes[from..body.end]);
        code.raw(&padded);
    }
    Ok(code)
}

/// Ids of the sections that come after the export section: element, data count, code, data.
const AFTER_EXPORTS: [u8; 4] = [9, 12, CODE, 11];
const CODE: u8 = 10;
