//! The checked model of a root.

use proc_macro2::Span;
use syn::LitStr;

use super::{init_type::Init, rollout::Rollout};
use crate::{
    crate_path::CratePath,
    hooks::Canister,
    role_fns::RoleFn,
    values::{Controller, Level},
};

pub(super) struct Root {
    pub(super) crate_path: CratePath,
    pub(super) canister: Canister,
    pub(super) pool: Option<Pool>,
    /// Cycles; `None` is the runtime's default.
    pub(super) reserve: Option<u128>,
    /// Cycles a day; `None` is no limit.
    pub(super) budget: Option<u128>,
    pub(super) refuel: Option<Refuel>,
    /// GiB; `None` is the runtime's default.
    pub(super) stable_memory: Option<u16>,
    pub(super) roles: Vec<Role>,
    /// Where the option stands, if it is given.
    pub(super) http: Option<Span>,
}

pub(super) struct Pool {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) cycles: Option<u128>,
}

pub(super) struct Refuel {
    /// Cycles.
    pub(super) below: u128,
    /// Cycles.
    pub(super) to: u128,
    /// Not empty.
    pub(super) from: Vec<FuelSource>,
}

/// A source of root's cycles.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FuelSource {
    Cycles,
    Icp,
}

pub(super) struct Role {
    pub(super) role_fn: RoleFn,
    pub(super) max: Option<u32>,
    pub(super) max_per_parent: Option<u32>,
    pub(super) singleton: bool,
    pub(super) cycles: Option<u128>,
    /// Names of roles, or `root`; not empty.
    pub(super) parents: Vec<LitStr>,
    /// Names of roles.
    pub(super) watches: Vec<LitStr>,
    pub(super) watches_releases: bool,
    pub(super) controllers: Vec<Controller>,
    pub(super) rollback: Rollback,
    pub(super) rollout: Option<Rollout>,
    pub(super) wasm: Option<Module>,
    pub(super) fund: Option<Fund>,
}

/// When root grants cycles to members of a role.
pub(super) struct Fund {
    pub(super) below: Level,
    pub(super) to: Level,
    /// Cycles a day.
    pub(super) per_day: Option<u128>,
}

/// A module to embed.
pub(super) struct Module {
    pub(super) place: Place,
    /// The types of its `init`, if it tells them.
    pub(super) init: Option<Init>,
}

/// The place of a module.
pub(super) enum Place {
    /// A file.
    File {
        /// Its path, relative to the crate's manifest.
        path: LitStr,
        /// The absolute paths of the sources that it was built from, as far as they are known.
        sources: Vec<String>,
    },
    /// The module of a dependency.
    Built {
        /// Its absolute path, unless the present build makes no modules.
        path: Option<String>,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Rollback {
    Recycle,
    Delete,
}
