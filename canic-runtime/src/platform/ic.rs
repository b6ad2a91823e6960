//! The Internet Computer as one canister sees it: clock, ids, balances, timers, log.

use crate::codec::encode::encode;
use candid::{CandidType, Principal};
pub(crate) use ic_cdk_timers::TimerId;
use std::{fmt, future::Future, time::Duration};

pub(crate) fn now() -> u64 {
    ic_cdk::api::time()
}

pub(crate) fn this() -> Principal {
    ic_cdk::api::canister_self()
}

pub(crate) fn caller() -> Principal {
    ic_cdk::api::msg_caller()
}

pub(crate) fn is_controller(principal: Principal) -> bool {
    ic_cdk::api::is_controller(&principal)
}

/// What root can send away: what it must keep to survive its freezing threshold does not count.
pub(crate) fn balance() -> u128 {
    ic_cdk::api::canister_liquid_cycle_balance()
}

/// All cycles this canister has.
pub(crate) fn whole_balance() -> u128 {
    ic_cdk::api::canister_cycle_balance()
}

/// Bytes of heap this canister occupies.
pub(crate) fn heap_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    {
        core::arch::wasm32::memory_size(0) as u64 * WASM_PAGE
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        0
    }
}

/// Bytes of stable memory this canister occupies.
pub(crate) fn stable_bytes() -> u64 {
    ic_cdk::api::stable_size() * WASM_PAGE
}

const WASM_PAGE: u64 = 65_536;

/// The platform's fee for a new canister, on this subnet, today.
pub(crate) fn creation_fee() -> u128 {
    ic_cdk::api::cost_create_canister()
}

/// Whether this canister is stopped, and so waits for no answer.
pub(crate) fn is_stopped() -> bool {
    ic_cdk::api::canister_status() == ic_cdk::api::CanisterStatusCode::Stopped
}

/// Instructions of this call so far, those of its callbacks included.
pub(crate) fn instructions() -> u64 {
    ic_cdk::api::call_context_instruction_counter()
}

/// How much a line of the log matters.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// Somebody has to do something.
    Error,
    /// Something went wrong, and is being dealt with.
    Warn,
    Info,
}

/// Writes a line to the canister's log. The platform keeps no level beside it, so the line begins with it.
pub(crate) fn log(level: Level, text: fmt::Arguments<'_>) {
    let level = match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
    };
    ic_cdk::api::debug_print(format!("{level} canic: {text}"));
}

pub(crate) fn after(delay: Duration, task: impl Future<Output = ()> + 'static) {
    ic_cdk_timers::set_timer(delay, task);
}

/// Runs a task again and again, until it is cancelled. Unlike [`after`], it outlives a message that the platform turns away.
pub(crate) fn every(interval: Duration, task: fn()) -> TimerId {
    // Inside the future, the task may cancel its own timer.
    ic_cdk_timers::set_timer_interval(interval, move || async move { task() })
}

pub(crate) fn cancel(timer: TimerId) {
    ic_cdk_timers::clear_timer(timer);
}

/// Answers the present message.
pub(crate) fn reply(value: &impl CandidType) {
    match encode(value) {
        Ok(bytes) => ic_cdk::api::msg_reply(bytes),
        Err(error) => ic_cdk::api::msg_reject(format!("the answer can't be encoded: {error}")),
    }
}

/// Runs a task within the present message, and after it.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    ic_cdk::futures::spawn(task);
}
