//! The present message: its argument, its method, its reply, and the executor that runs its tasks.

use std::{cell::Cell, future::Future};

use candid::{CandidType, Principal};
use ic_cdk::futures::internals::{in_executor_context, in_query_executor_context};

use crate::{codec::encode::encode, tables::write::Unencodable};

/// The argument's bytes. In the callback of a call they are the bytes of that call's reply.
pub(crate) fn argument() -> Vec<u8> {
    ic_cdk::api::msg_arg_data()
}

pub(crate) fn caller() -> Principal {
    ic_cdk::api::msg_caller()
}

/// The method that `canister_inspect_message` is asked about.
pub(crate) fn method() -> String {
    ic_cdk::api::msg_method_name()
}

/// Accepts the ingress message that `canister_inspect_message` is asked about.
pub(crate) fn accept() {
    ic_cdk::api::accept_message();
}

/// Replies with one Candid value.
pub(crate) fn reply(value: &impl CandidType) {
    reply_encoded(encode(value));
}

#[inline(never)]
fn reply_encoded(value: Result<Vec<u8>, Unencodable>) {
    match value {
        Ok(bytes) => reply_bytes(bytes),
        Err(error) => reject(format!("the answer can't be encoded: {error}")),
    }
}

pub(crate) fn reply_bytes(bytes: Vec<u8>) {
    ic_cdk::api::msg_reply(bytes);
}

pub(crate) fn reject(reason: impl AsRef<str>) {
    ic_cdk::api::msg_reject(reason);
}

/// Ends the message with a trap, which rolls its changes back.
pub(crate) fn trap(reason: impl AsRef<str>) -> ! {
    ic_cdk::api::trap(reason)
}

/// Runs an entry point that may change state, and the tasks that it spawns.
pub(crate) fn in_update(run: impl FnOnce()) {
    /// The executor's code around an entry point, once for all of them.
    #[inline(never)]
    fn run_each(run: &mut dyn FnMut()) {
        in_executor_context(run);
    }
    let mut run = Some(run);
    run_each(&mut || {
        if let Some(run) = run.take() {
            run();
        }
    });
}

/// Runs the entry point of a query, and the tasks that it spawns.
pub(crate) fn in_query(run: impl FnOnce()) {
    /// The executor's code around an entry point, once for all of them.
    #[inline(never)]
    fn run_each(run: &mut dyn FnMut()) {
        in_query_executor_context(run);
    }
    // Never reset: the platform discards what a query changes, after its last callback.
    KIND.set(Kind::Query);
    let mut run = Some(run);
    run_each(&mut || {
        if let Some(run) = run.take() {
            run();
        }
    });
}

/// Runs the entry point of an install or upgrade.
pub(crate) fn in_lifecycle(run: impl FnOnce()) {
    KIND.set(Kind::Lifecycle);
    in_update(run);
    KIND.set(Kind::Update);
}

/// Kinds of messages, by the calls that they can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any call: updates, timers, the heartbeat, and their callbacks.
    Update,
    /// Calls of queries, from a composite query.
    Query,
    /// None: an install or upgrade.
    Lifecycle,
}

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::Update) };
}

/// The kind of the present message.
pub(crate) fn kind() -> Kind {
    KIND.get()
}

/// Runs a task within the present message, and after it.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    ic_cdk::futures::spawn(task);
}

/// Whether a destructor runs because an earlier callback of its task trapped.
pub(crate) fn is_recovering_from_trap() -> bool {
    ic_cdk::futures::is_recovering_from_trap()
}
