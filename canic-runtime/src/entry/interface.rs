//! The Candid types of endpoints, described where the endpoints are written.
//!
//! Candid's macro keeps the types of a method as text. It resolves the text where the interface is
//! exported, at the root of the crate. There, the name of a type in a nested module is unknown or
//! means another type. So the text names numbers, and each endpoint says which types they stand
//! for.

use std::marker::PhantomData;

use candid::{
    CandidType,
    types::{Serializer, Type, TypeInner},
};

/// The types of the endpoint number `ID`, or of `init`. Generated code implements it for a type at
/// the root of the author's crate.
pub trait Describe<const ID: u64> {
    /// The types, arguments first.
    const TYPES: &'static [fn() -> Type];
}

/// A stand-in for the type number `N` of the endpoint `ID`.
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
        // This type has no values.
        serializer.serialize_null(())
    }
}

/// A type to describe.
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

/// The description of a type that Candid knows.
pub trait Known {
    /// The description.
    fn describe(&self) -> Type;
}

impl<T: CandidType> Known for Shape<T> {
    fn describe(&self) -> Type {
        T::ty()
    }
}

/// A stand-in for [`Known`] where Candid does not know the type. The endpoint's own code does not
/// compile then, and that error suffices.
pub trait Unknown {
    /// A placeholder.
    fn describe(&self) -> Type;
}

impl<T> Unknown for &Shape<T> {
    fn describe(&self) -> Type {
        TypeInner::Reserved.into()
    }
}
