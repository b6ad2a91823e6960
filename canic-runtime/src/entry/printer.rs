//! The crate `candid` as its macro sees it that writes the interface: with a printer for all types.
//!
//! Candid's text names a type after the Rust type. A name that is a word of Candid's own, such as
//! `record`, makes a text that no parser takes: unlike names of fields and methods, those of types
//! have no quotes. This printer calls such a type `record_`, and leaves its comments out. Callers
//! don't notice, as messages hold no names of types.
//!
//! The macro writes code for each endpoint that builds its type. Here that code calls functions
//! which exist once, in place of vectors and conversions that would be compiled for each endpoint.
//! Nothing is freed: tools read the interface from a canister of their own, once.

use std::{
    ffi::c_char,
    mem::{self, ManuallyDrop},
    ptr,
};

pub use ::candid::*;

use ::candid::types::{Serializer, Type};

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

        pub use super::super::{DocComments, compile_with_docs};
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

/// The macro writes the types of ic-cdk's endpoints as text, so their vectors become lists.
impl<T: CandidType> CandidType for List<T> {
    fn _ty() -> Type {
        Vec::<T>::_ty()
    }

    fn idl_serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<(), S::Error> {
        self.0.idl_serialize(serializer)
    }
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
    pub env: ManuallyDrop<types::TypeEnv>,
    /// Comments of named types.
    pub docs: ManuallyDrop<types::TypeDocs>,
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
            env: mem::take(&mut *self.env),
            docs: mem::take(&mut *self.docs),
        };
        let ty = erased::with_type(ty, || container.add::<Erased>());
        self.env = ManuallyDrop::new(container.env);
        self.docs = ManuallyDrop::new(container.docs);
        ty
    }
}

/// The comments of an interface.
pub struct DocComments(ManuallyDrop<::candid::pretty::candid::DocComments>);

impl DocComments {
    /// None.
    #[must_use]
    pub fn empty() -> Self {
        Self(ManuallyDrop::new(
            ::candid::pretty::candid::DocComments::empty(),
        ))
    }

    /// Adds the comment of a method, line by line.
    #[inline(never)]
    pub fn add_service_method(&mut self, method: String, lines: Vec<String>) {
        self.0.add_service_method(method, lines);
    }

    /// Adds the comments of types.
    pub fn extend_types(&mut self, docs: ManuallyDrop<types::TypeDocs>) {
        self.0.extend_types(ManuallyDrop::into_inner(docs));
    }
}

/// The text of an interface.
#[must_use]
pub fn compile_with_docs(env: &types::TypeEnv, actor: &Option<Type>, docs: &DocComments) -> String {
    if env.0.keys().all(|name| is_type_name(name)) {
        return ::candid::pretty::candid::compile_with_docs(env, actor, &docs.0);
    }
    let mut renamed = ManuallyDrop::new(types::TypeEnv::new());
    for (name, ty) in &env.0 {
        renamed.0.insert(type_name(name), rename(ty));
    }
    let actor = actor.as_ref().map(rename);
    ::candid::pretty::candid::compile_with_docs(&renamed, &actor, &docs.0)
}

/// The type with the names that Candid's grammar takes.
fn rename(ty: &Type) -> Type {
    use ::candid::types::TypeInner;

    match &**ty {
        TypeInner::Var(name) => TypeInner::Var(type_name(name)),
        TypeInner::Opt(inner) => TypeInner::Opt(rename(inner)),
        TypeInner::Vec(inner) => TypeInner::Vec(rename(inner)),
        TypeInner::Record(fields) => TypeInner::Record(rename_fields(fields)),
        TypeInner::Variant(fields) => TypeInner::Variant(rename_fields(fields)),
        TypeInner::Func(::candid::types::Function { modes, args, rets }) => {
            TypeInner::Func(::candid::types::Function {
                modes: modes.clone(),
                args: rename_all(args),
                rets: rename_all(rets),
            })
        }
        TypeInner::Service(methods) => {
            let mut renamed = Vec::with_capacity(methods.len());
            for (name, ty) in methods {
                renamed.push((name.clone(), rename(ty)));
            }
            TypeInner::Service(renamed)
        }
        TypeInner::Class(arguments, service) => {
            TypeInner::Class(rename_all(arguments), rename(service))
        }
        _ => return ty.clone(),
    }
    .into()
}

fn rename_all(types: &[Type]) -> Vec<Type> {
    let mut renamed = Vec::with_capacity(types.len());
    for ty in types {
        renamed.push(rename(ty));
    }
    renamed
}

fn rename_fields(fields: &[types::Field]) -> Vec<types::Field> {
    let mut renamed = Vec::with_capacity(fields.len());
    for field in fields {
        renamed.push(types::Field {
            id: field.id.clone(),
            ty: rename(&field.ty),
        });
    }
    renamed
}

/// A name that the grammar takes. The one with an underscore is free: candid's own end in none.
fn type_name(name: &str) -> String {
    if is_type_name(name) {
        name.to_string()
    } else {
        [name, "_"].concat()
    }
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
