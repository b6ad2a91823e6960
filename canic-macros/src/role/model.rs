//! A member whose options have been checked.

use crate::crate_path::CratePath;
use crate::handles::Handle;
use crate::hooks::Canister;
use crate::values::RoleName;

pub(super) struct Role {
    pub(super) crate_path: CratePath,
    pub(super) canister: Canister,
    pub(super) name: RoleName,
    /// The roles it provisions by name.
    pub(super) children: Vec<Handle>,
    pub(super) http: bool,
    /// Whether the member subscribes in `init`, before its first lookup.
    pub(super) subscribes: bool,
    /// GiB; `None` is the runtime's default.
    pub(super) stable_memory: Option<u16>,
}
