//! The checked model of a member.

use crate::{crate_path::CratePath, hooks::Canister, role_fns::RoleFn, values::RoleName};
use proc_macro2::Span;

pub(super) struct Role {
    pub(super) crate_path: CratePath,
    pub(super) canister: Canister,
    pub(super) name: RoleName,
    /// The roles that the member provisions, each with a role function.
    pub(super) children: Vec<RoleFn>,
    /// Where the option stands, if it is given.
    pub(super) http: Option<Span>,
    /// Whether the member subscribes in `init`, before its first lookup.
    pub(super) subscribes: bool,
    /// GiB; `None` is the runtime's default.
    pub(super) stable_memory: Option<u16>,
}
