//! What generated code calls. Not for authors: names and signatures may change with the macros.
//!
//! Generated code is thin: it names the author's types and functions and hands them to one function of this module.

mod start;

pub mod interface;
pub mod member;
pub mod root;

pub use crate::endpoint::access::{Allow, Guard};
pub use crate::endpoint::{
    Argument, Endpoint, Reply, candid_args, query, query_async, reply, reply_bytes, reply_manually,
    reply_result, update, update_async,
};

pub(crate) use crate::codec::decode::decode_args;
pub use crate::codec::decode::{CandidArgument, CandidArguments, CandidValue, CandidValues};
pub use crate::member::subscription::listen;
pub use start::start;

use std::{fmt::Display, future::Future};

/// What a lifecycle hook may answer: nothing, or a reason why not.
#[diagnostic::on_unimplemented(
    message = "a lifecycle hook can't return `{Self}`",
    label = "return nothing, or `Result<(), E>` where `E` can be shown (`E: Display`)"
)]
pub trait HookResult {
    /// The answer, with the reason as text.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), String>;
}

impl HookResult for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Display> HookResult for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// Decodes a hook's arguments and calls it.
///
/// # Errors
///
/// If the bytes are not the Candid arguments, or if the hook refuses.
pub fn call_hook<A: CandidArguments>(
    bytes: Vec<u8>,
    hook: impl FnOnce(A) -> Result<(), String>,
) -> Result<(), String> {
    hook(decode_args(bytes)?)
}

/// What a hook returned.
///
/// # Errors
///
/// If the hook refuses.
pub fn hook_result(result: impl HookResult) -> Result<(), String> {
    result.into_result()
}

/// Takes any argument, and no notice of it: for an endpoint without arguments, as in ic-cdk, and for a hook that the
/// author did not write.
///
/// # Errors
///
/// Never.
pub fn no_argument<T>(_argument: T) -> Result<(), String> {
    Ok(())
}

/// The author's `heartbeat`.
pub fn heartbeat(hook: impl FnOnce()) {
    ic_cdk::futures::internals::in_executor_context(hook);
}

/// The author's `heartbeat`, if it may await.
pub fn heartbeat_async(hook: impl Future<Output = ()> + 'static) {
    ic_cdk::futures::internals::in_executor_context(|| ic_cdk::futures::spawn(hook));
}

/// The author's `on_low_wasm_memory`.
pub fn on_low_wasm_memory(hook: impl FnOnce()) {
    ic_cdk::futures::internals::in_executor_context(hook);
}

/// Runs a lifecycle hook: a refusal becomes a trap, which makes the install or upgrade fail and says why.
pub(crate) fn lifecycle(name: &str, run: impl FnOnce() -> Result<(), String>) {
    ic_cdk::futures::internals::in_executor_context(|| {
        if let Err(reason) = run() {
            ic_cdk::api::trap(format!("{name}: {reason}"));
        }
    });
}

/// Whether ingress for a method may be taken: it is not ic-cdk's own, which nobody calls from outside, and its endpoint
/// would not refuse.
pub(crate) fn may_be_called(method: &str) -> bool {
    !method.starts_with("<ic-cdk internal>") && !crate::endpoint::refuses(method)
}
