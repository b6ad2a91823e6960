//! A type that is only known when the code runs: Candid's functions for types, compiled once.

use std::cell::Cell;

use candid::types::{CandidType, Serializer, Type, TypeInner};

thread_local! {
    static TYPE: Cell<Option<fn() -> Type>> = const { Cell::new(None) };
}

/// The type that [`with_type`] has set. It has one value, without bytes.
pub(crate) struct Erased;

/// Runs code for which [`Erased`] is this type.
pub(crate) fn with_type<R>(ty: fn() -> Type, run: impl FnOnce() -> R) -> R {
    let outer = TYPE.replace(Some(ty));
    let result = run();
    TYPE.set(outer);
    result
}

impl CandidType for Erased {
    fn ty() -> Type {
        TYPE.get()
            .map_or_else(|| TypeInner::Empty.into(), |ty| ty())
    }

    fn _ty() -> Type {
        Self::ty()
    }

    fn idl_serialize<S: Serializer>(&self, _: S) -> Result<(), S::Error> {
        Ok(())
    }
}
