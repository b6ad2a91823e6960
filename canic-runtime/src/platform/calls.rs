//! Calls within the fleet.

use super::ic::this;
use crate::{
    api::{Announcement, MemberRef, Membership, OperationId, SyncRequest},
    codec::encode::encode,
};
use candid::{CandidType, Principal};
use ic_cdk::call::{Call as CdkCall, CallFailed, Response};
use serde::Deserialize;
use std::cell::Cell;

thread_local! {
    static AWAITED: Cell<u32> = const { Cell::new(0) };
}

/// The calls of this module whose answers have not come.
pub(crate) fn awaited() -> u32 {
    AWAITED.get()
}

/// Makes a call, and counts it until its answer comes, or until a trap in its callback drops it.
pub(super) async fn send(
    call: CdkCall<'_, '_>,
    args: &impl CandidType,
) -> Result<Response, CallFailed> {
    struct Awaited;
    impl Drop for Awaited {
        fn drop(&mut self) {
            AWAITED.set(AWAITED.get() - 1);
        }
    }
    let args = match encode(args) {
        Ok(args) => args,
        Err(error) => unreachable!("canic's own types have values: {error}"),
    };
    AWAITED.set(AWAITED.get() + 1);
    let _awaited = Awaited;
    call.take_raw_args(args).await
}

/// Calls root's own method [`DRIVE`].
///
/// With an operation, that method drives it: in a call of its own, so that whatever becomes of the code that asked for
/// the operation, the task that waits for its calls lives on. Without one it does nothing: the current message ends and
/// a new one begins, and what was written is safe.
pub(crate) async fn call_self(operation: Option<OperationId>) -> Result<(), SelfCall> {
    match send(CdkCall::unbounded_wait(this(), DRIVE), &operation).await {
        Ok(_) => Ok(()),
        Err(CallFailed::CallRejected(_)) => Err(SelfCall::Rejected),
        Err(_) => Err(SelfCall::NotSent),
    }
}

/// Why a call of root to itself did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfCall {
    /// No message was sent: what comes next runs in the same message.
    NotSent,
    /// It was not executed, or trapped.
    Rejected,
}

/// The method that root calls on itself.
const DRIVE: &str = "canic_drive";

/// Asks another canister of the fleet.
pub(crate) async fn ask<T>(
    canister: Principal,
    method: &str,
    request: &impl CandidType,
) -> Result<T, String>
where
    T: CandidType + for<'a> Deserialize<'a>,
{
    let reply = send(CdkCall::unbounded_wait(canister, method), request)
        .await
        .map_err(|error| error.to_string())?;
    candid::decode_one(&reply.into_bytes()).map_err(|error| error.to_string())
}

/// Tells a member what became of others. Answers whether it heard.
pub(crate) async fn announce(listener: Principal, announcement: &Announcement) -> bool {
    let call = CdkCall::bounded_wait(listener, "canic_announce").change_timeout(ANNOUNCE_TIMEOUT);
    send(call, announcement).await.is_ok()
}

/// Tells a member where it stands. Answers whether it heard.
pub(crate) async fn sync(member: Principal, standing: MemberRef) -> bool {
    let MemberRef { role, parent, key } = standing;
    let membership = Membership {
        root: this(),
        parent,
        key,
    };
    let request = SyncRequest { role, membership };
    let call = CdkCall::bounded_wait(member, "canic_sync").change_timeout(ANNOUNCE_TIMEOUT);
    send(call, &request).await.is_ok()
}

/// Seconds until a listener that does not answer is told again.
const ANNOUNCE_TIMEOUT: u32 = 30;
