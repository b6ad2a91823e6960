//! This canister's membership: its own identity in the fleet, and its cache of other members.
//!
//! Root and members fill in the same two functions when their lifecycle hooks run, so that access
//! lists and `fleet` work alike in both.

use std::cell::Cell;

use candid::Principal;

use crate::api::{Identity, MemberRef};

/// The functions that answer for this canister.
///
/// Root answers from its registry. A member answers from what root has told it, and must ask root
/// about any other canister.
#[derive(Clone, Copy)]
pub(crate) struct Fleet {
    /// This canister's identity. None while it is unmanaged.
    pub(crate) identity: fn() -> Option<Identity>,
    /// The cache entry of another canister.
    pub(crate) cached: fn(Principal) -> Cached,
}

thread_local! {
    static FLEET: Cell<Fleet> = const { Cell::new(Fleet {
        identity: || None,
        cached: |_| Cached::Unknown,
    }) };
}

pub(crate) fn set_fleet(fleet: Fleet) {
    FLEET.set(fleet);
}

pub(crate) fn identity() -> Option<Identity> {
    (FLEET.get().identity)()
}

/// A cache entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cached {
    /// Root need not be asked. None: the canister is not a member.
    Fresh(Option<MemberRef>),
    /// The lease is over. A query uses the entry nevertheless, because it can't ask root.
    Stale(MemberRef),
    /// There is no entry: only root knows.
    Unknown,
}

/// The cache entry of a canister, for an update, which can ask root.
pub(crate) fn cached(canister: Principal) -> Cached {
    (FLEET.get().cached)(canister)
}

/// The cache entry of a canister, for a query: a stale entry counts as fresh.
pub(crate) fn cached_for_query(canister: Principal) -> Cached {
    match cached(canister) {
        Cached::Stale(member) => Cached::Fresh(Some(member)),
        other => other,
    }
}
