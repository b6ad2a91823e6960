//! Calls to canisters of the fleet.

use candid::{CandidType, Principal};
use ic_cdk::call::{Call, CallFailed, Response};

use crate::{
    api::{Announcement, Identity, MemberRef, OperationId},
    codec::{decode::read_reply, encode::encode},
    platform::{awaits::CountedCall, ic},
    tables::Read,
};

/// Makes a call, which counts as awaited until its answer comes.
pub(super) async fn send(
    call: Call<'static, 'static>,
    args: &impl CandidType,
) -> Result<Response, CallFailed> {
    let args = match encode(args) {
        Ok(args) => args,
        Err(error) => unreachable!("canic's own types have values: {error}"),
    };
    CountedCall::new(call.take_raw_args(args)).await
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

/// Calls root's own method [`DRIVE`], and does not wait for its end. Answers whether the call was
/// sent.
pub(crate) fn tell_self(operation: OperationId) -> bool {
    encode(&Some(operation)).is_ok_and(|args| {
        let call = Call::unbounded_wait(ic::this(), DRIVE);
        call.take_raw_args(args).oneway().is_ok()
    })
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

/// How long a caller waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// [`TIMEOUT`] at most, in a best-effort call: the method only reads, or may be repeated.
    Short,
    /// As long as it takes: the answer tells what has changed.
    Unbounded,
}

/// Calls a method of another canister and decodes its answer.
///
/// # Errors
///
/// If the call failed, or its answer is no `T`.
pub(crate) async fn ask<T>(
    canister: Principal,
    method: &'static str,
    request: &impl CandidType,
    wait: Wait,
) -> Result<T, String>
where
    T: Read,
{
    let call = match wait {
        Wait::Short => best_effort(canister, method),
        Wait::Unbounded => Call::unbounded_wait(canister, method),
    };
    let reply = send(call, request).await;
    let reply = reply.map_err(|error| error.to_string())?;
    read_reply(&reply.into_bytes())
}

/// A call whose answer comes within [`TIMEOUT`], or not at all.
fn best_effort(canister: Principal, method: &'static str) -> Call<'static, 'static> {
    Call::bounded_wait(canister, method).change_timeout(TIMEOUT)
}

/// Sends changes of other members to a subscriber, in a best-effort call. Answers whether the
/// subscriber acknowledged them.
pub(crate) async fn announce(subscriber: Principal, announcement: &Announcement) -> bool {
    let call = best_effort(subscriber, "canic_announce");
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
    let call = best_effort(member, "canic_sync");
    send(call, &identity).await.is_ok()
}

/// The timeout of a best-effort call, in seconds.
const TIMEOUT: u32 = 30;
