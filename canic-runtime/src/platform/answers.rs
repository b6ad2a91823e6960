//! Calls of operations to canisters, and the answers to all calls of operations: decoded, or
//! classified as failures.

use candid::{CandidType, Principal};
use ic_cdk::call::{Call, CallFailed, Response};

use crate::{
    codec::decode::read_reply, operation::call::Failure, platform::calls::send, tables::Read,
};

/// Calls a canister with a guaranteed response.
///
/// # Errors
///
/// If the call failed.
pub(super) async fn canister_call(
    canister: Principal,
    method: &'static str,
    args: &impl CandidType,
) -> Result<Vec<u8>, Failure> {
    send(Call::unbounded_wait(canister, method), args)
        .await
        .map(Response::into_bytes)
        .map_err(|error| failure(error, Failure::of_canister))
}

/// A call that ends within [`TIMEOUT`], whatever the canister does.
///
/// # Errors
///
/// If the call failed.
pub(super) async fn best_effort_call(
    canister: Principal,
    method: &'static str,
    args: &impl CandidType,
) -> Result<Vec<u8>, Failure> {
    let call = Call::bounded_wait(canister, method).change_timeout(TIMEOUT);
    send(call, args)
        .await
        .map(Response::into_bytes)
        .map_err(|error| failure(error, Failure::of_canister))
}

/// The timeout of a best-effort call, in seconds.
const TIMEOUT: u32 = 30;

/// A failed call, classified by its reject.
pub(super) fn failure(error: CallFailed, classify: fn(u32, &str) -> Failure) -> Failure {
    match error {
        CallFailed::CallRejected(rejected) => {
            classify(rejected.raw_reject_code(), rejected.reject_message())
        }
        CallFailed::InsufficientLiquidCycleBalance(_) | CallFailed::CallPerformFailed(_) => {
            Failure::not_sent(&error.to_string())
        }
    }
}

/// Decodes a reply.
///
/// # Errors
///
/// If it is no `T`: the outcome of the call is unknown then.
pub(super) fn decode<T: Read>(reply: &[u8]) -> Result<T, Failure> {
    read_reply(reply).map_err(|reason| Failure::unreadable(&reason))
}
