//! A member whose options have been checked.

use crate::crate_path::CratePath;
use crate::hooks::Canister;
use crate::role_fns::Handle;
use crate::values::RoleName;

pub(super) struct Role {
    pub(super) crate_path: CratePath,
    pub(super) canister: Canister,
    pub(super) name: RoleName,
    /// The roles it provisions by name.
    pub(super) children: Vec<Handle>,
    pub(super) http: bool,
    /// Whether it takes notice of other members from the first moment on.
    pub(super) listens: bool,
    /// GiB; `None` is the runtime's default.
    pub(super) stable_memory: Option<u16>,
}
