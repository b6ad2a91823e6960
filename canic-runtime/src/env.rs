//! Who this member is: told by root with the install or by `canic_sync`, kept in stable memory.

use crate::{
    access::{self, Fleet},
    api::{Denied, Env, Membership, SyncRequest},
    config::Member,
    envelope::Address,
    memory,
    platform::ic,
};
use std::cell::RefCell;

thread_local! {
    static MEMBERSHIP: RefCell<Option<Membership>> = const { RefCell::new(None) };
}

/// Takes up what an earlier life of the code wrote down.
pub(crate) fn load(member: &'static Member) {
    let address: Option<Address> = memory::read_head();
    set(member, address.map(|address| address.membership()));
}

fn set(member: &'static Member, membership: Option<Membership>) {
    MEMBERSHIP.set(membership);
    access::set_fleet(Fleet {
        membership: || MEMBERSHIP.with_borrow(Clone::clone),
        role: Some(member.role),
        lookup: None,
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
    let denied = |allowed: &str| {
        Err(Denied {
            caller,
            allowed: allowed.to_string(),
        })
    };
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
    memory::write_head(&Address::new(&request.role, &request.membership));
    set(member, Some(request.membership.clone()));
    Ok(())
}

pub(crate) fn env(member: &Member) -> Env {
    Env {
        canister: ic::this(),
        role: member.role.to_string(),
        membership: access::membership(),
    }
}
