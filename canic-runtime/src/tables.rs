//! The types of canic's own endpoints as tables, and the code that reads these and messages: it
//! exists once, and not for each type.
//!
//! Types are derived by these names in place of candid's.

pub(crate) mod erased;
pub(crate) mod read;
pub(crate) mod wire;
pub(crate) mod write;

use std::cell::Cell;

pub(crate) use candid::types::CandidType;
use candid::{
    idl_hash,
    types::{self, FieldDoc, Label, Serializer, Type, TypeDoc, TypeId, TypeInner},
};
pub(crate) use canic_macros::{CandidTable as CandidType, TableRead as Read};

pub(crate) use self::read::Read;

/// A named type.
pub(crate) struct Table {
    pub(crate) id: fn() -> TypeId,
    /// The lines of its comment.
    pub(crate) docs: &'static [&'static str],
    pub(crate) body: Body,
}

/// What a named type is. Its fields are in the order of their labels' hashes.
pub(crate) enum Body {
    Record(&'static [Field]),
    Variant(&'static [Field]),
}

/// A field of a record, or a variant.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static [&'static str],
    pub(crate) shape: Shape,
}

/// The type of a field.
pub(crate) enum Shape {
    Null,
    Of(fn() -> Type),
    Opt(&'static Shape),
    Vec(&'static Shape),
    Record(&'static [Field]),
}

thread_local! {
    /// The table that [`Present`] stands for.
    static PRESENT: Cell<Option<&'static Table>> = const { Cell::new(None) };
}

impl Table {
    /// The type, which Candid computes once and remembers with its comments.
    pub(crate) fn ty(&'static self) -> Type {
        let outer = PRESENT.replace(Some(self));
        let ty = Present::ty();
        PRESENT.set(outer);
        ty
    }

    /// The type, computed anew.
    pub(crate) fn body(&self) -> Type {
        match self.body {
            Body::Record(fields) => TypeInner::Record(typed(fields)).into(),
            Body::Variant(fields) => TypeInner::Variant(typed(fields)).into(),
        }
    }

    fn doc(&self) -> TypeDoc {
        let (Body::Record(fields) | Body::Variant(fields)) = self.body;
        TypeDoc {
            docs: lines(self.docs),
            ..doc(fields)
        }
    }
}

fn typed(fields: &'static [Field]) -> Vec<types::Field> {
    let mut typed = Vec::with_capacity(fields.len());
    for field in fields {
        typed.push(types::Field {
            id: Label::Named(field.name.to_string()).into(),
            ty: field.shape.ty(),
        });
    }
    typed
}

/// The comments of fields.
fn doc(fields: &'static [Field]) -> TypeDoc {
    let mut whole = TypeDoc::default();
    for field in fields {
        let inner = match field.shape {
            Shape::Record(fields) => doc(fields),
            _ => TypeDoc::default(),
        };
        let doc = FieldDoc {
            docs: lines(field.docs),
            ty: (!inner.is_empty()).then(|| Box::new(inner)),
        };
        if !doc.is_empty() {
            whole.fields.insert(idl_hash(field.name), doc);
        }
    }
    whole
}

fn lines(docs: &[&str]) -> Vec<String> {
    let mut lines = Vec::with_capacity(docs.len());
    for line in docs {
        lines.push(line.to_string());
    }
    lines
}

impl Shape {
    fn ty(&'static self) -> Type {
        match self {
            Self::Null => TypeInner::Null.into(),
            Self::Of(ty) => ty(),
            Self::Opt(inner) => TypeInner::Opt(inner.ty()).into(),
            Self::Vec(inner) => TypeInner::Vec(inner.ty()).into(),
            Self::Record(fields) => TypeInner::Record(typed(fields)).into(),
        }
    }
}

/// A stand-in for all types with a table: Candid's code that remembers types exists once for it.
struct Present;

impl Present {
    fn table() -> &'static Table {
        static NONE: Table = Table {
            id: TypeId::of::<Present>,
            docs: &[],
            body: Body::Variant(&[]),
        };
        PRESENT.get().unwrap_or(&NONE)
    }
}

impl CandidType for Present {
    fn id() -> TypeId {
        (Self::table().id)()
    }

    fn _ty() -> Type {
        Self::table().body()
    }

    fn _ty_doc() -> TypeDoc {
        Self::table().doc()
    }

    fn idl_serialize<S: Serializer>(&self, serializer: S) -> Result<(), S::Error> {
        // This type has no values.
        serializer.serialize_null(())
    }
}

#[cfg(test)]
mod tests;
