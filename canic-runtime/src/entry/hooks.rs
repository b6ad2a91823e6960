//! Lifecycle hooks and the other functions that the platform calls: the author's part of them.

use std::{fmt::Display, future::Future};

use crate::{
    codec::{
        decode::{CandidArguments, decode_args},
        quota::Quota,
    },
    endpoint::inspection,
    platform::{awaits::OpenFunction, message},
    stable::memory,
};

/// The return type of a lifecycle hook: nothing, or a reason for a refusal.
#[diagnostic::on_unimplemented(
    message = "a lifecycle hook can't return `{Self}`",
    label = "return nothing, or `Result<(), E>` where `E` can be shown (`E: Display`)"
)]
pub trait HookResult {
    /// The result, with the reason as text.
    ///
    /// # Errors
    ///
    /// If the hook refuses.
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
    hook(decode_args(&bytes, Quota::ARGUMENT)?)
}

/// The result of a hook.
///
/// # Errors
///
/// If the hook refuses.
pub fn hook_result(result: impl HookResult) -> Result<(), String> {
    result.into_result()
}

/// Accepts any argument and ignores it. It stands for a hook that the author did not write, and, as
/// in ic-cdk, for the decoder of an endpoint without arguments.
///
/// # Errors
///
/// Never.
pub fn no_argument<T>(_argument: T) -> Result<(), String> {
    Ok(())
}

/// The author's `heartbeat`.
pub fn heartbeat(hook: impl FnOnce()) {
    message::in_update(hook);
}

/// The author's `heartbeat`, if it may await.
pub fn heartbeat_async(hook: impl Future<Output = ()> + 'static) {
    message::in_update(|| {
        message::spawn(async {
            let _open = OpenFunction::begin("heartbeat");
            hook.await;
        });
    });
}

/// The author's `on_low_wasm_memory`.
pub fn on_low_wasm_memory(hook: impl FnOnce()) {
    message::in_update(hook);
}

/// Runs a lifecycle hook. A refusal becomes a trap, so that the install or upgrade fails and its
/// reject message says why.
pub(super) fn lifecycle(name: &str, run: impl FnOnce() -> Result<(), String>) {
    message::in_lifecycle(|| {
        if let Err(reason) = run() {
            message::trap(format!("{name}: {reason}"));
        }
    });
}

/// Runs the author's `init` or `post_upgrade`, and refuses if it used stable memory without canic.
pub(super) fn begin(
    hook: impl FnOnce(Vec<u8>) -> Result<(), String>,
    argument: Vec<u8>,
) -> Result<(), String> {
    hook(argument)?;
    memory::find_misuse().map_err(|misuse| misuse.advice().to_string())
}

/// Whether ingress may call a method: not if it is internal to ic-cdk, and not if the access list
/// of its endpoint refuses the caller.
pub(super) fn may_be_called(method: &str) -> bool {
    !method.starts_with("<ic-cdk internal>") && !inspection::refuses(method)
}
