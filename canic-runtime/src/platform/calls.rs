//! Calls to canisters of the fleet, and the count of calls in flight.

use std::cell::Cell;

use candid::{CandidType, Principal};
use ic_cdk::call::{Call, CallFailed, Response};
use serde::Deserialize;

use crate::{
    api::{Announcement, Identity, MemberRef, OperationId},
    codec::{decode::decode_reply, encode::encode},
    platform::ic,
};

thread_local! {
    static IN_FLIGHT: Cell<u32> = const { Cell::new(0) };
}

/// The number of calls, to the fleet and to the management canister, whose answers are awaited.
pub(crate) fn in_flight() -> u32 {
    IN_FLIGHT.get()
}

/// Makes a call. It counts as in flight until its answer comes, or until a trap in its callback
/// drops it.
pub(super) async fn send(
    call: Call<'_, '_>,
    args: &impl CandidType,
) -> Result<Response, CallFailed> {
    struct InFlight;
    impl Drop for InFlight {
        fn drop(&mut self) {
            IN_FLIGHT.set(IN_FLIGHT.get() - 1);
        }
    }
    let args = match encode(args) {
        Ok(args) => args,
        Err(error) => unreachable!("canic's own types have values: {error}"),
    };
    IN_FLIGHT.set(IN_FLIGHT.get() + 1);
    let _in_flight = InFlight;
    call.take_raw_args(args).await
}

// Root to itself

/// Calls root's own method [`DRIVE`].
///
/// With an operation, the method drives it in a call of its own. So the task that awaits the
/// operation's calls survives whatever happens to the code that requested the operation. Without an
/// operation, the method does nothing: the call is a message boundary, which commits all changes
/// made before it.
///
/// # Errors
///
/// If the call was not sent, not executed, or trapped.
pub(crate) async fn call_self(operation: Option<OperationId>) -> Result<(), SelfCall> {
    match send(Call::unbounded_wait(ic::this(), DRIVE), &operation).await {
        Ok(_) => Ok(()),
        Err(CallFailed::CallRejected(_)) => Err(SelfCall::Rejected),
        Err(_) => Err(SelfCall::NotSent),
    }
}

/// The failure of root's call to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfCall {
    /// No message was sent: the code after the call runs in the same message.
    NotSent,
    /// The call was not executed, or trapped.
    Rejected,
}

/// The method that root calls on itself.
const DRIVE: &str = "canic_drive";

// To others

/// Calls a method of another canister and decodes its answer.
///
/// # Errors
///
/// If the call failed, or its answer is no `T`.
pub(crate) async fn ask<T>(
    canister: Principal,
    method: &str,
    request: &impl CandidType,
) -> Result<T, String>
where
    T: CandidType + for<'a> Deserialize<'a>,
{
    let reply = send(Call::unbounded_wait(canister, method), request)
        .await
        .map_err(|error| error.to_string())?;
    decode_reply(&reply.into_bytes())
}

/// Sends changes of other members to a subscriber, in a best-effort call. Answers whether the
/// subscriber acknowledged them.
pub(crate) async fn announce(subscriber: Principal, announcement: &Announcement) -> bool {
    let call = Call::bounded_wait(subscriber, "canic_announce").change_timeout(TIMEOUT);
    send(call, announcement).await.is_ok()
}

/// Sends a member its own position, in a best-effort call. Answers whether the member acknowledged
/// it.
pub(crate) async fn sync(member: Principal, position: MemberRef) -> bool {
    let MemberRef { role, parent, key } = position;
    let identity = Identity {
        root: ic::this(),
        role,
        parent,
        key,
    };
    let call = Call::bounded_wait(member, "canic_sync").change_timeout(TIMEOUT);
    send(call, &identity).await.is_ok()
}

/// The timeout of a best-effort call, in seconds.
const TIMEOUT: u32 = 30;
