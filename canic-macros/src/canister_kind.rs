//! The kinds of canister that an attribute makes of a crate: a root or a member.

use proc_macro2::Ident;
use quote::format_ident;

/// The kind of a canister, which selects its half of the runtime.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum CanisterKind {
    Root,
    Member,
}

impl CanisterKind {
    /// The name of the attribute, for messages.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Member => "role",
        }
    }

    /// The module of `canic_runtime::entry` that the exports call.
    pub(crate) fn module(self) -> Ident {
        match self {
            Self::Root => format_ident!("root"),
            Self::Member => format_ident!("member"),
        }
    }

    /// The generated static that describes the canister.
    pub(crate) fn description(self) -> Ident {
        match self {
            Self::Root => format_ident!("ROOT"),
            Self::Member => format_ident!("MEMBER"),
        }
    }
}
