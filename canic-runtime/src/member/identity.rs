//! Who this member is: told by root with the install or by `canic_sync`, kept in stable memory.

use crate::{
    api::{Denied, Env, Membership, SyncRequest},
    config::Member,
    endpoint::access::{self, Cached, Fleet},
    envelope::Address,
    fleet,
    platform::ic,
    stable::memory,
};
use candid::Principal;
use std::cell::{Cell, RefCell};

thread_local! {
    static MEMBERSHIP: RefCell<Option<Membership>> = const { RefCell::new(None) };
}

/// Takes up what an earlier life of the code wrote down.
pub(crate) fn load(member: &'static Member) {
    let address: Option<Address> = memory::read_head();
    set(member, address.map(|address| address.membership()));
}

/// What a member does that takes notice of others. Those that don't have no code for it: nothing else names these
/// functions.
#[derive(Clone, Copy)]
pub(crate) struct Listening {
    /// Root announced something: the argument of `canic_announce`.
    pub(crate) hear: fn(Vec<u8>) -> Result<(), String>,
    pub(crate) known: fn(Principal) -> Cached,
    /// An earlier life of the code heard something that this one does not know.
    pub(crate) forgot: fn(),
}

thread_local! {
    static LISTENING: Cell<Option<Listening>> = const { Cell::new(None) };
}

/// Takes notice of what root announces, from now on.
pub(crate) fn listen(listening: Listening) {
    if LISTENING.get().is_some() {
        return;
    }
    LISTENING.set(Some(listening));
    if memory::read_head().is_some_and(|address: Address| address.listens) {
        (listening.forgot)();
    }
}

fn set(member: &'static Member, membership: Option<Membership>) {
    MEMBERSHIP.set(membership);
    access::set_fleet(Fleet {
        membership: || MEMBERSHIP.with_borrow(Clone::clone),
        role: Some(member.role),
        known: |canister| match LISTENING.get() {
            Some(listening) => (listening.known)(canister),
            None => Cached::Unknown,
        },
    });
}

/// Takes up what an envelope says. Only root can say it.
pub(crate) fn accept(member: &'static Member, address: &Address) -> Result<(), String> {
    if address.role != member.role {
        return Err(format!(
            "this module is a '{}', root wants a '{}'",
            member.role, address.role
        ));
    }
    let membership = address.membership();
    if membership.root != ic::caller() {
        return Err(format!(
            "{} claims to be root, but {} installs",
            membership.root,
            ic::caller()
        ));
    }
    memory::write_head(address);
    set(member, Some(membership));
    Ok(())
}

/// `canic_sync`: from root, or, while the canister is unmanaged, from a canister that controls it.
pub(crate) fn sync(member: &'static Member, request: &SyncRequest) -> Result<(), Denied> {
    let caller = ic::caller();
    let welcome = match access::membership() {
        Some(membership) => membership.root == caller,
        None => ic::is_controller(caller),
    };
    if !welcome || request.membership.root != caller {
        return denied("root");
    }
    if request.role != member.role {
        return denied(&format!(
            "a root that knows this canister as a '{}'",
            member.role
        ));
    }
    let mut address = Address::new(&request.role, &request.membership);
    let before = memory::read_head();
    address.listens = before.is_some_and(|before: Address| before.listens);
    memory::write_head(&address);
    set(member, Some(request.membership.clone()));
    Ok(())
}

/// `canic_announce`: from root. Who does not listen remembers that there was something to hear.
///
/// # Errors
///
/// If the argument is not what it should be.
pub(crate) fn hear(argument: Vec<u8>) -> Result<Result<(), Denied>, String> {
    let caller = ic::caller();
    if fleet::root() != Some(caller) {
        return Ok(denied("root"));
    }
    if let Some(mut address) = memory::read_head::<Address>()
        && !address.listens
    {
        address.listens = true;
        memory::write_head(&address);
    }
    match LISTENING.get() {
        Some(listening) => (listening.hear)(argument).map(Ok),
        None => Ok(Ok(())),
    }
}

fn denied(allowed: &str) -> Result<(), Denied> {
    Err(Denied {
        caller: ic::caller(),
        allowed: allowed.to_string(),
    })
}

pub(crate) fn env(member: &Member) -> Env {
    Env {
        canister: ic::this(),
        role: member.role.to_string(),
        membership: access::membership(),
    }
}
