//! The crate `candid` as its macro sees it that writes the interface: with a printer for all types.
//!
//! Candid's text names a type after the Rust type. A name that is a word of Candid's own, such as
//! `record`, makes a text that no parser takes: unlike names of fields and methods, those of types
//! have no quotes. This printer calls such a type `record_`, and leaves its comments out. Callers
//! don't notice, as messages hold no names of types.

use std::collections::BTreeMap;

pub use ::candid::*;

/// The module of this name, with another printer.
pub mod pretty {
    pub use ::candid::pretty::*;

    /// The module of this name, with another printer.
    pub mod candid {
        pub use ::candid::pretty::candid::*;

        pub use super::super::compile_with_docs;
    }
}

/// The text of an interface.
#[must_use]
pub fn compile_with_docs(
    env: &types::TypeEnv,
    actor: &Option<types::Type>,
    docs: &pretty::candid::DocComments,
) -> String {
    // Loops and no `collect`, which would link a sort.
    let mut names = BTreeMap::new();
    for name in env.0.keys().filter(|name| !is_type_name(name)) {
        // This name is free: candid's own end in no underscore.
        names.insert(name.clone(), format!("{name}_"));
    }
    if names.is_empty() {
        return ::candid::pretty::candid::compile_with_docs(env, actor, docs);
    }
    let mut renamed = types::TypeEnv::new();
    for (name, ty) in &env.0 {
        let name = names.get(name).unwrap_or(name);
        renamed.0.insert(name.clone(), ty.subst(&names));
    }
    let actor = actor.as_ref().map(|actor| actor.subst(&names));
    ::candid::pretty::candid::compile_with_docs(&renamed, &actor, docs)
}

/// The words of Candid's grammar, and its types.
const WORDS: [&str; 30] = [
    "blob",
    "bool",
    "composite_query",
    "empty",
    "float32",
    "float64",
    "func",
    "import",
    "int",
    "int16",
    "int32",
    "int64",
    "int8",
    "nat",
    "nat16",
    "nat32",
    "nat64",
    "nat8",
    "null",
    "oneway",
    "opt",
    "principal",
    "query",
    "record",
    "reserved",
    "service",
    "text",
    "type",
    "variant",
    "vec",
];

fn is_type_name(name: &str) -> bool {
    ::candid::pretty::candid::is_valid_as_id(name) && !WORDS.contains(&name)
}
