//! What generated code calls. Not for authors: names and signatures may change with the macros.
//!
//! Generated code is thin: it names the author's types and functions and hands them to one function of this module.

mod values;

pub mod endpoint;
pub mod interface;
pub mod member;
pub mod root;

pub use crate::access::{Allow, Guard};
pub use endpoint::{
    Argument, Endpoint, Reply, candid_args, query, query_async, reply, reply_bytes, reply_manually,
    reply_result, update, update_async,
};

pub(crate) use values::decode_args;
pub use values::{CandidArgument, CandidArguments, CandidValue, CandidValues};

use crate::{
    config::StartHook,
    platform::ic::{self, Level},
};
use std::{cell::Cell, fmt::Display, future::Future, pin::Pin, time::Duration};

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

/// The author's `start` hook as a task.
pub fn start(
    hook: impl Future<Output = Result<(), String>> + 'static,
) -> Pin<Box<dyn Future<Output = Result<(), String>>>> {
    Box::pin(hook)
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

/// How the author's `start` stands in this life of the code.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    Due,
    Running,
    Done,
}

thread_local! {
    static START: Cell<Start> = const { Cell::new(Start::Due) };
}

/// A run of `start`. When it is over without success, be it by a trap, another one is due.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        if START.get() == Start::Running {
            START.set(Start::Due);
        }
    }
}

/// How long `start` waits before its next try: at once, then 1, 2, 4, .. seconds, ten minutes at most.
fn start_pause(attempt: u32) -> Duration {
    match attempt {
        0 => Duration::ZERO,
        _ => Duration::from_secs((1 << (attempt - 1).min(10)).min(600)),
    }
}

/// Runs `start` after the present message, and again until it has succeeded; never twice at once.
pub(crate) fn schedule_start(hook: StartHook, attempt: u32) {
    ic::after(start_pause(attempt), async move {
        match START.get() {
            Start::Done => return,
            Start::Running => return schedule_start(hook, attempt),
            Start::Due => START.set(Start::Running),
        }
        let _running = Running;
        // Armed before the hook runs: a trap in it must not be the end of it.
        schedule_start(hook, attempt + 1);
        match hook().await {
            Ok(()) => START.set(Start::Done),
            Err(reason) => ic::log(
                Level::Error,
                format_args!("start failed, try {}: {reason:.200}", attempt + 1),
            ),
        }
    });
}

/// Whether ingress for a method may be taken: it is not ic-cdk's own, which nobody calls from outside, and its endpoint
/// would not refuse.
pub(crate) fn may_be_called(method: &str) -> bool {
    !method.starts_with("<ic-cdk internal>") && !endpoint::refuses(method)
}
