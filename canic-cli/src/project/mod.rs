//! The project of an author: its canisters, as their attributes declare them, and their builds.

pub(crate) mod attributes;
pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod check;
pub(crate) mod prices;
pub(crate) mod replica;
pub(crate) mod roots;
pub(crate) mod template;
