//! The platform as one canister sees it: clock, ids, balances, timers, log.

use candid::Principal;

use crate::operation::Moment;
pub(crate) use ic_cdk_timers::TimerId;
use std::{fmt, future::Future, time::Duration};

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    ic_cdk::api::time()
}

/// This canister.
pub(crate) fn this() -> Principal {
    ic_cdk::api::canister_self()
}

/// The subnet of this canister.
pub(crate) fn subnet() -> Principal {
    ic_cdk::api::subnet_self()
}

/// Whether a principal is a controller of this canister.
pub(crate) fn is_controller(principal: Principal) -> bool {
    ic_cdk::api::is_controller(&principal)
}

/// The cycles that this canister can send away: without those that its freezing threshold holds
/// back.
pub(crate) fn balance() -> u128 {
    ic_cdk::api::canister_liquid_cycle_balance()
}

/// The facts that root's decisions need, as they are in this message.
pub(crate) fn moment() -> Moment {
    Moment {
        now: now(),
        root: this(),
        balance: balance(),
        creation_fee: creation_fee(),
    }
}

/// All cycles of this canister.
pub(crate) fn total_balance() -> u128 {
    ic_cdk::api::canister_cycle_balance()
}

/// The size of this canister's heap in bytes.
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

/// The size of this canister's stable memory in bytes.
pub(crate) fn stable_bytes() -> u64 {
    ic_cdk::api::stable_size() * WASM_PAGE
}

const WASM_PAGE: u64 = 65_536;

/// The platform's present fee for a new canister on this subnet, in cycles.
pub(crate) fn creation_fee() -> u128 {
    ic_cdk::api::cost_create_canister()
}

/// Whether this canister is stopped. A stopped canister awaits no answer.
pub(crate) fn is_stopped() -> bool {
    ic_cdk::api::canister_status() == ic_cdk::api::CanisterStatusCode::Stopped
}

/// Whether this canister is being stopped: it takes no new calls and waits for the answers to its
/// own.
pub(crate) fn is_stopping() -> bool {
    ic_cdk::api::canister_status() == ic_cdk::api::CanisterStatusCode::Stopping
}

/// The instructions of the present call so far, those of its callbacks included.
pub(crate) fn instructions() -> u64 {
    ic_cdk::api::call_context_instruction_counter()
}

/// The severity of a line in the log.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// An operator has to act.
    Error,
    /// A failure that canic deals with itself.
    Warn,
    Info,
}

/// Writes a line to the canister's log. It begins with its level, because the platform stores none.
pub(crate) fn log(level: Level, text: fmt::Arguments<'_>) {
    let level = match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
    };
    ic_cdk::api::debug_print(format!("{level} canic: {text}"));
}

/// Runs a task once, after a delay.
pub(crate) fn set_timer(delay: Duration, task: impl Future<Output = ()> + 'static) {
    ic_cdk_timers::set_timer(delay, task);
}

/// Runs a task at every interval until the timer is cancelled. Unlike a timer of [`set_timer`], it
/// survives when the platform refuses the message that would run it.
pub(crate) fn set_interval(interval: Duration, task: fn()) -> TimerId {
    // The timer may be cancelled by its own task, because that runs inside the future.
    ic_cdk_timers::set_timer_interval(interval, move || async move { task() })
}

/// Lets the platform run all timers that are due, if it would never run any.
pub(crate) fn arm_if_disarmed() {
    const AT_ONCE: u64 = 1;
    let armed = ic_cdk::api::global_timer_set(AT_ONCE);
    if armed != 0 {
        ic_cdk::api::global_timer_set(armed);
    }
}

pub(crate) fn clear_timer(timer: TimerId) {
    ic_cdk_timers::clear_timer(timer);
}
