//! The Candid types of endpoints, told where they are written.
//!
//! Candid's macro keeps the types of a method as text, and reads the text where the interface is exported: at the root of
//! the crate, where a type of a nested module is unknown, or is another one of the same name. So the text names numbers, and
//! each endpoint says beside itself which types they stand for.

use candid::{
    CandidType,
    types::{Serializer, Type, TypeInner},
};
use std::marker::PhantomData;

/// Implemented for a type at the root of the author's crate, once for each endpoint and for `init`, by a number of its own.
pub trait Describe<const ID: u64> {
    /// The types, arguments first.
    const TYPES: &'static [fn() -> Type];
}

/// Stands for the type number `N` of the endpoint `ID`.
#[derive(Debug)]
pub struct Described<C, const ID: u64, const N: usize>(PhantomData<C>);

impl<C: Describe<ID> + 'static, const ID: u64, const N: usize> CandidType for Described<C, ID, N> {
    fn ty() -> Type {
        C::TYPES[N]()
    }

    fn _ty() -> Type {
        Self::ty()
    }

    fn idl_serialize<S: Serializer>(&self, serializer: S) -> Result<(), S::Error> {
        // There is no such value.
        serializer.serialize_null(())
    }
}

/// A type whose description is asked for.
#[derive(Debug)]
pub struct Shape<T>(PhantomData<T>);

impl<T> Shape<T> {
    /// The type, without a value.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code alone makes one")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// What Candid knows of a type.
pub trait Known {
    /// Its description.
    fn describe(&self) -> Type;
}

impl<T: CandidType> Known for Shape<T> {
    fn describe(&self) -> Type {
        T::ty()
    }
}

/// Stands in for [`Known`] where Candid does not know the type. The endpoint does not compile then, and says so at the
/// type: once is enough.
pub trait Unknown {
    /// Nothing.
    fn describe(&self) -> Type;
}

impl<T> Unknown for &Shape<T> {
    fn describe(&self) -> Type {
        TypeInner::Reserved.into()
    }
}
