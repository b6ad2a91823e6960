//! The module of a native canister: it exports the methods and holds the Candid interface, so that
//! the canister looks like any other from outside. None of its functions ever runs.

use wasm_encoder::{
    CodeSection, CustomSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, Instruction, Module, TypeSection, ValType,
};

/// The names of a canister's methods.
#[derive(Clone, Copy)]
pub(super) struct Methods {
    pub(super) updates: &'static [&'static str],
    pub(super) queries: &'static [&'static str],
}

pub(super) fn module(methods: Methods, interface: &str) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types
        .ty()
        .function([ValType::I32, ValType::I32, ValType::I32], []);
    // Queries of a module with this import get a certificate.
    let mut imports = ImportSection::new();
    imports.import("ic0", "data_certificate_copy", EntityType::Function(1));
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instruction(&Instruction::Unreachable);
    body.instruction(&Instruction::End);
    code.function(&body);
    let mut exports = ExportSection::new();
    for (kind, names) in [
        ("canister_update", methods.updates),
        ("canister_query", methods.queries),
    ] {
        for name in names {
            exports.export(&format!("{kind} {name}"), ExportKind::Func, 1);
        }
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&exports).section(&code);
    module.section(&CustomSection {
        name: "icp:public candid:service".into(),
        data: interface.as_bytes().into(),
    });
    module.finish()
}
