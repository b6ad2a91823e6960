//! The functions that generated code calls. Not for authors: they may change with the macros.
//!
//! Generated code is thin: it names the author's types and functions and hands them to one function
//! of this module.

mod health;
mod hooks;
mod module_args;
mod serve;
mod start;
mod upgrade;

pub mod interface;
pub mod member;
pub mod metadata;
pub mod one_canister;
pub mod printer;
pub mod root;

#[cfg(test)]
mod announcements;

pub use self::{
    hooks::{
        HookResult, call_hook, heartbeat, heartbeat_async, hook_result, no_argument,
        on_low_wasm_memory,
    },
    module_args::{ArgumentType, FieldName, Init, args_fit},
    start::start,
};
pub use crate::{
    codec::decode::{CandidArgument, CandidArguments, CandidValue, CandidValues},
    endpoint::{
        Argument, Endpoint,
        access::{Allow, Guard},
        candid_args, candid_args_within,
        inspection::list,
        query, query_async,
        reply::{Reply, reply, reply_bytes, reply_manually, reply_result},
        update, update_async,
    },
    member::subscription::subscribe,
};
