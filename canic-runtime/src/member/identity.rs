//! This member's identity. Root sends it with the install or by `canic_sync`, and the member keeps
//! it in stable memory.

use std::cell::{Cell, RefCell};

use candid::Principal;

use crate::{
    api::{Denied, Identity, IdentityInfo},
    config::Member,
    envelope::IdentityRecord,
    membership::{self, Cached, Fleet},
    platform::{ic, message},
};

/// The functions of a member that subscribes to root's announcements.
///
/// Nothing else names them, so that a member that does not subscribe has no code for them.
#[derive(Clone, Copy)]
pub(crate) struct Subscription {
    /// Receives the argument of `canic_announce`.
    pub(crate) receive: fn(Vec<u8>) -> Result<(), String>,
    /// The directory's entry of a canister.
    pub(crate) cached: fn(Principal) -> Cached,
    /// Marks the directory as incomplete: announcements came before this code started.
    pub(crate) fall_behind: fn(),
}

thread_local! {
    static IDENTITY: RefCell<Option<Identity>> = const { RefCell::new(None) };
    /// Whether root has upgraded this member, and not yet accepted the new code.
    static PROBATION: Cell<bool> = const { Cell::new(false) };
    static SUBSCRIPTION: Cell<Option<Subscription>> = const { Cell::new(None) };
}

/// Loads the identity that an earlier version of the code received.
pub(crate) fn load() {
    let record = IdentityRecord::load();
    PROBATION.set(record.as_ref().is_some_and(|record| record.probation));
    set(record.map(|record| record.identity()));
}

/// Whether this member is on probation: its updates are rejected until root accepts the new code.
pub(crate) fn is_on_probation() -> bool {
    PROBATION.get()
}

/// `canic_accept`: from root. Ends the probation.
///
/// # Errors
///
/// If another canister calls.
pub(crate) fn end_probation() -> Result<(), Denied> {
    require_root()?;
    if let Some(mut record) = IdentityRecord::load()
        && record.probation
    {
        record.probation = false;
        record.store();
    }
    PROBATION.set(false);
    Ok(())
}

/// Checks that root is the caller.
///
/// # Errors
///
/// If another canister calls.
pub(crate) fn require_root() -> Result<(), Denied> {
    let root = membership::identity().map(|identity| identity.root);
    if root == Some(message::caller()) {
        Ok(())
    } else {
        Err(denied("root"))
    }
}

/// Subscribes to root's announcements, once.
pub(crate) fn subscribe(subscription: Subscription) {
    if SUBSCRIPTION.get().is_some() {
        return;
    }
    SUBSCRIPTION.set(Some(subscription));
    if IdentityRecord::load().is_some_and(|record| record.subscribed) {
        (subscription.fall_behind)();
    }
}

fn set(identity: Option<Identity>) {
    IDENTITY.set(identity);
    membership::set_fleet(Fleet {
        identity: || IDENTITY.with_borrow(Clone::clone),
        cached: |canister| match SUBSCRIPTION.get() {
            Some(subscription) => (subscription.cached)(canister),
            None => Cached::Unknown,
        },
    });
}

/// Accepts the identity of an envelope, which only root can send.
///
/// # Errors
///
/// If the envelope names another role than this module's, or another root than the caller.
pub(crate) fn accept(member: &'static Member, record: &IdentityRecord) -> Result<(), String> {
    let identity = record.identity();
    if identity.role != member.role {
        return Err(format!(
            "this module is a '{}', root wants a '{}'",
            member.role, identity.role
        ));
    }
    if identity.root != message::caller() {
        return Err(format!(
            "{} claims to be root, but {} installs",
            identity.root,
            message::caller()
        ));
    }
    let mut record = record.clone();
    let before = IdentityRecord::load();
    record.subscribed = before.is_some_and(|before| before.subscribed);
    record.store();
    PROBATION.set(record.probation);
    set(Some(identity));
    Ok(())
}

/// `canic_sync`: from root or, while the canister is unmanaged, from a canister that controls it.
///
/// # Errors
///
/// If another canister calls, or if root has this canister down for another role.
pub(crate) fn sync(member: &'static Member, identity: Identity) -> Result<(), Denied> {
    let caller = message::caller();
    let welcome = match membership::identity() {
        Some(present) => present.root == caller,
        None => ic::is_controller(caller),
    };
    if !welcome || identity.root != caller {
        return Err(denied("root"));
    }
    if identity.role != member.role {
        return Err(denied(&format!(
            "a root that knows this canister as a '{}'",
            member.role
        )));
    }
    let mut record = IdentityRecord::new(&identity);
    if let Some(before) = IdentityRecord::load() {
        record.subscribed = before.subscribed;
        record.probation = before.probation;
    }
    record.store();
    set(Some(identity));
    Ok(())
}

/// `canic_announce`: from root. A member that does not subscribe records that it missed changes.
///
/// # Errors
///
/// If the argument can't be decoded. The inner error: if another canister than root calls.
pub(crate) fn receive(argument: Vec<u8>) -> Result<Result<(), Denied>, String> {
    if let Err(denied) = require_root() {
        return Ok(Err(denied));
    }
    if let Some(mut record) = IdentityRecord::load()
        && !record.subscribed
    {
        record.subscribed = true;
        record.store();
    }
    match SUBSCRIPTION.get() {
        Some(subscription) => (subscription.receive)(argument).map(Ok),
        None => Ok(Ok(())),
    }
}

fn denied(allowed: &str) -> Denied {
    Denied {
        caller: message::caller(),
        allowed: allowed.to_string(),
    }
}

/// The reply of `canic_identity`.
pub(crate) fn info(member: &Member) -> IdentityInfo {
    IdentityInfo {
        canister: ic::this(),
        role: member.role.to_string(),
        identity: membership::identity(),
        probation: is_on_probation(),
    }
}
