//! What generated code calls. Not for authors: names and signatures may change with the macros.
//!
//! Generated code is thin: it names the author's types and functions and hands them to one function of this module.

pub mod endpoint;
pub mod member;
pub mod root;

pub use crate::access::{Allow, Guard};
pub use endpoint::{
    Endpoint, Reply, candid_args, candid_only, query, query_async, reply, reply_bytes,
    reply_manually, reply_result, update, update_async,
};

use crate::platform::ic;
use candid::utils::ArgumentDecoder;
use std::{fmt::Display, future::Future, pin::Pin, time::Duration};

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
pub fn call_hook<A, R>(bytes: Vec<u8>, hook: impl FnOnce(A) -> R) -> Result<(), String>
where
    A: for<'a> ArgumentDecoder<'a>,
    R: HookResult,
{
    hook(candid_args(bytes)?).into_result()
}

/// Calls a hook without arguments.
///
/// # Errors
///
/// If the hook refuses.
pub fn hook_result(result: impl HookResult) -> Result<(), String> {
    result.into_result()
}

/// Stands for a hook that the author did not write: it takes any argument, and no notice of it.
///
/// # Errors
///
/// Never.
pub fn no_argument(_bytes: Vec<u8>) -> Result<(), String> {
    Ok(())
}

/// The author's `start` hook as a task.
pub fn start<R: HookResult>(
    hook: impl Future<Output = R> + 'static,
) -> Pin<Box<dyn Future<Output = Result<(), String>>>> {
    Box::pin(async move { hook.await.into_result() })
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

/// How long `start` waits before it tries again: 1, 2, 4, .. seconds, ten minutes at most.
fn start_backoff(attempt: u32) -> Duration {
    Duration::from_secs((1 << attempt.min(10)).min(600))
}

/// Runs `start` as soon as the present message is over, and again until it succeeds.
pub(crate) fn schedule_start(hook: crate::config::StartHook, attempt: u32) {
    let delay = if attempt == 0 {
        Duration::ZERO
    } else {
        start_backoff(attempt - 1)
    };
    ic::after(delay, async move {
        // Armed before the hook runs: a trap in it must not be the end of it.
        let retry = ic::timer(start_backoff(attempt), move || {
            schedule_start(hook, attempt + 1)
        });
        match hook().await {
            Ok(()) => ic::cancel(retry),
            Err(reason) => ic::log(&format!("canic: start failed, try {attempt}: {reason}")),
        }
    });
}
