//! The crate `candid` as its macro sees it that writes the interface: with a printer for all types.
//!
//! Candid's text names a type after the Rust type. A name that is a word of Candid's own, such as
//! `record`, makes a text that no parser takes: unlike names of fields and methods, those of types
//! have no quotes. This printer calls such a type `record_`, and leaves its comments out. Callers
//! don't notice, as messages hold no names of types.
//!
//! The macro writes code for each endpoint that builds its type. Here that code calls functions
//! which exist once, in place of vectors and conversions that would be compiled for each endpoint.

use std::{collections::BTreeMap, ffi::c_char, mem, ptr};

pub use ::candid::*;

use ::candid::types::Type;

use crate::tables::erased::{self, Erased};

/// The module of this name, whose types are built by functions that are not inlined.
pub mod types {
    pub use ::candid::types::*;

    pub use super::{Function, TypeInner};

    /// The module of this name, with another container.
    pub mod internal {
        pub use ::candid::types::internal::*;

        pub use super::super::TypeContainer;
    }
}

/// The module of this name, with another printer.
pub mod pretty {
    pub use ::candid::pretty::*;

    /// The module of this name, with another printer.
    pub mod candid {
        pub use ::candid::pretty::candid::*;

        pub use super::super::compile_with_docs;
    }
}

/// A vector, as the macro uses it.
#[derive(Debug)]
pub struct List<T>(Vec<T>);

impl<T> List<T> {
    /// An empty one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "the macro calls `new`")]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends an item.
    #[inline(never)]
    pub fn push(&mut self, item: T) {
        self.0.push(item);
    }

    /// Nothing: the macro lists methods by name already, and a sort takes kilobytes of Wasm.
    pub fn sort_unstable_by_key<K>(&mut self, _key: impl Fn(&T) -> K) {}
}

/// The vector that the macro writes as `vec![..]`.
#[inline(never)]
#[must_use]
pub fn vector<T, const N: usize>(items: [T; N]) -> Vec<T> {
    items.into()
}

/// The type of this name, of lists.
#[derive(Debug)]
pub struct Function {
    /// The types of the arguments.
    pub args: List<Type>,
    /// The types of the replies.
    pub rets: List<Type>,
    /// Whether it is a query.
    pub modes: Vec<types::FuncMode>,
}

/// The type of this name, as far as the macro uses it.
#[derive(Debug)]
pub enum TypeInner {
    /// A method.
    Func(Function),
    /// All methods.
    Service(List<(String, Type)>),
    /// The arguments of `init`, and all methods.
    Class(List<Type>, Type),
}

impl From<TypeInner> for Type {
    #[inline(never)]
    fn from(inner: TypeInner) -> Self {
        let inner = match inner {
            TypeInner::Func(Function { args, rets, modes }) => {
                ::candid::types::TypeInner::Func(::candid::types::Function {
                    modes,
                    args: args.0,
                    rets: rets.0,
                })
            }
            TypeInner::Service(methods) => ::candid::types::TypeInner::Service(methods.0),
            TypeInner::Class(arguments, service) => {
                ::candid::types::TypeInner::Class(arguments.0, service)
            }
        };
        inner.into()
    }
}

/// The type of this name, whose code does not depend on the types that it holds.
#[derive(Default)]
pub struct TypeContainer {
    /// Named types.
    pub env: types::TypeEnv,
    /// Comments of named types.
    pub docs: types::TypeDocs,
}

impl TypeContainer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type. The result names it.
    pub fn add<T: CandidType>(&mut self) -> Type {
        self.add_type(T::ty)
    }

    #[inline(never)]
    fn add_type(&mut self, ty: fn() -> Type) -> Type {
        let mut container = ::candid::types::internal::TypeContainer {
            env: mem::take(&mut self.env),
            docs: mem::take(&mut self.docs),
        };
        let ty = erased::with_type(ty, || container.add::<Erased>());
        (self.env, self.docs) = (container.env, container.docs);
        ty
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

/// The interface as a C string, the form in which the platform's tools read it.
#[must_use]
pub fn c_string(interface: String) -> *mut c_char {
    let mut bytes = interface.into_bytes();
    if bytes.contains(&0) {
        // Candid's text has no zero byte.
        return ptr::null_mut();
    }
    bytes.push(0);
    bytes.leak().as_mut_ptr().cast()
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
