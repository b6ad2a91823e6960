//! A module is one canister: the crate of a canister can't be linked into another one.
//!
//! Both would export `canister_init`, which the linker alone would notice. So each of these crates
//! implements a trait for the same type, and asks the compiler for the one implementation.

/// The module that is being compiled.
#[derive(Debug)]
pub struct Module;

/// Implemented by each crate of a canister, with a type of its own.
pub trait HasOneCanister<Canister> {}

/// Compiles if the crate graph has one canister. The compiler's error quotes the comment, if that
/// is a single line.
#[rustfmt::skip]
pub fn one_canister_per_module<M, Canister>()
// Leave canisters `crate-type = ["cdylib"]`; types that they share go into a library of their own.
where M: HasOneCanister<Canister> {}
