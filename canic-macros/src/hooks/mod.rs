//! The canister that an attribute stands on: a unit struct, or an `impl` block with its hooks.
//!
//! `#[canic::root]` and `#[canic::role]` share these files; only their options differ.

mod check;
mod expand;
mod item;
mod model;

pub(crate) use self::{
    check::is_export,
    expand::{
        allowed_lints, candid_export_check, candid_init, foreign_exports, lifecycle,
        max_stable_gib, start_hook, unique_root_or_role,
    },
    item::{Canister, fallback_item},
    model::Hook,
};
