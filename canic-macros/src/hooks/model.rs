//! Hooks: the functions that an author writes for events in a canister's life.

use proc_macro2::Span;
use syn::Type;

/// The kinds of hooks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hook {
    Init,
    PreUpgrade,
    PostUpgrade,
    Start,
    Health,
    InspectMessage,
    Heartbeat,
    OnLowWasmMemory,
}

impl Hook {
    pub(crate) const ALL: [Self; 8] = [
        Self::Init,
        Self::PreUpgrade,
        Self::PostUpgrade,
        Self::Start,
        Self::Health,
        Self::InspectMessage,
        Self::Heartbeat,
        Self::OnLowWasmMemory,
    ];

    /// The hooks whose export is generated even if the author has not written them.
    pub(crate) const EXPORTED_ALWAYS: [Self; 4] = [
        Self::Init,
        Self::PreUpgrade,
        Self::PostUpgrade,
        Self::InspectMessage,
    ];

    /// The name of the hook's function.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::PreUpgrade => "pre_upgrade",
            Self::PostUpgrade => "post_upgrade",
            Self::Start => "start",
            Self::Health => "health",
            Self::InspectMessage => "inspect_message",
            Self::Heartbeat => "heartbeat",
            Self::OnLowWasmMemory => "on_low_wasm_memory",
        }
    }

    /// The hook of that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// Whether the hook's function is `async`; `None` if the author may choose.
    pub(super) fn is_async(self) -> Option<bool> {
        match self {
            Self::Start => Some(true),
            Self::Heartbeat | Self::Health => None,
            _ => Some(false),
        }
    }

    /// What an author does in place of an `await` in this hook.
    pub(super) fn instead_of_await(self) -> &'static str {
        match self {
            Self::InspectMessage => {
                "one node asks it before the message exists, and it can't call anyone; \
                 remove `async`, decide by what this canister knows, \
                 and check in the endpoint what takes a call"
            }
            Self::PreUpgrade => {
                "the platform ends it with its message; remove `async`, \
                 and do what has to await before the upgrade, or after it in `start`"
            }
            Self::OnLowWasmMemory => {
                "it ends with its message; remove `async`, \
                 and spawn what has to await: `ic_cdk::futures::spawn(..)`"
            }
            Self::Init | Self::PostUpgrade | Self::Start | Self::Health | Self::Heartbeat => {
                "the platform ends it with its message; remove `async`, \
                 and do in `start` what has to await"
            }
        }
    }

    /// Whether the hook takes the argument of the install or upgrade.
    pub(super) fn takes_arguments(self) -> bool {
        matches!(self, Self::Init | Self::PostUpgrade)
    }

    /// The return type that the hook's function may have.
    pub(super) fn output(self) -> Output {
        match self {
            Self::InspectMessage => Output::Bool,
            Self::Health => Output::Result,
            Self::Heartbeat | Self::OnLowWasmMemory => Output::Nothing,
            _ => Output::NothingOrResult,
        }
    }
}

/// Return types of hooks.
#[derive(Clone, Copy)]
pub(super) enum Output {
    Nothing,
    NothingOrResult,
    Result,
    Bool,
}

/// The author's hooks, after the checks.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) init: Option<HookSignature>,
    pub(crate) pre_upgrade: Option<HookSignature>,
    pub(crate) post_upgrade: Option<HookSignature>,
    pub(crate) start: Option<HookSignature>,
    pub(crate) health: Option<Health>,
    pub(crate) inspect_message: bool,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) on_low_wasm_memory: bool,
}

/// The signature of a hook that may return an error.
pub(crate) struct HookSignature {
    /// The types of the arguments; in `post_upgrade` none, or those of `init`.
    pub(crate) types: Vec<Type>,
    /// The span at which the compiler shows an error about the return value.
    pub(crate) output: Span,
}

/// The `health` hook.
pub(crate) struct Health {
    pub(crate) signature: HookSignature,
    pub(crate) is_async: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Heartbeat {
    Sync,
    Async,
}
