//! The canister that an attribute stands on: a unit struct, or an `impl` block whose functions are its hooks.
//!
//! `#[canic::root]` and `#[canic::role]` share this half; what differs are their options.

mod check;
mod expand;
mod item;

use proc_macro2::Span;
use syn::Type;

pub(crate) use self::expand::{
    Side, allowed_lints, candid_init, candid_is_exported, export, lifecycle, max_stable_gib,
    only_one_in_the_crate, start_hook,
};
pub(crate) use self::item::{Canister, mended};

/// A function of the author's that the canister's life calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hook {
    Init,
    PreUpgrade,
    PostUpgrade,
    Start,
    InspectMessage,
    Heartbeat,
    OnLowWasmMemory,
}

impl Hook {
    pub(crate) const ALL: [Self; 7] = [
        Self::Init,
        Self::PreUpgrade,
        Self::PostUpgrade,
        Self::Start,
        Self::InspectMessage,
        Self::Heartbeat,
        Self::OnLowWasmMemory,
    ];

    /// The name of its function.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::PreUpgrade => "pre_upgrade",
            Self::PostUpgrade => "post_upgrade",
            Self::Start => "start",
            Self::InspectMessage => "inspect_message",
            Self::Heartbeat => "heartbeat",
            Self::OnLowWasmMemory => "on_low_wasm_memory",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// Whether its function is `async`; `None` where both will do.
    fn is_async(self) -> Option<bool> {
        match self {
            Self::Start => Some(true),
            Self::Heartbeat => None,
            _ => Some(false),
        }
    }

    /// Whether it is given the argument of the install or upgrade.
    fn takes_arguments(self) -> bool {
        matches!(self, Self::Init | Self::PostUpgrade)
    }

    /// What its function returns.
    fn returns(self) -> Returns {
        match self {
            Self::InspectMessage => Returns::Bool,
            Self::Heartbeat | Self::OnLowWasmMemory => Returns::Nothing,
            _ => Returns::NothingOrResult,
        }
    }
}

#[derive(Clone, Copy)]
enum Returns {
    Nothing,
    NothingOrResult,
    Bool,
}

/// The hooks that an author wrote, checked.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) init: Option<Written>,
    pub(crate) pre_upgrade: Option<Written>,
    pub(crate) post_upgrade: Option<Written>,
    pub(crate) start: Option<Written>,
    pub(crate) inspect_message: bool,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) on_low_wasm_memory: bool,
}

/// The signature of a hook that may refuse.
pub(crate) struct Written {
    /// The types of its arguments; in `post_upgrade` none, or those of `init`.
    pub(crate) types: Vec<Type>,
    /// Where an error about what it returns is shown.
    pub(crate) output: Span,
}

#[derive(Clone, Copy)]
pub(crate) enum Heartbeat {
    Sync,
    Async,
}
