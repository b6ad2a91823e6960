//! Access lists: which callers an endpoint lets in.

use std::cell::LazyCell;

use candid::Principal;

use crate::{
    api::MemberRef,
    membership::{self, Cached},
    platform::ic,
};

/// A condition of an endpoint beside its access list. An `Err` says why it does not hold.
pub type Guard = fn() -> Result<(), String>;

/// An entry of an endpoint's access list. A caller that matches any entry is let in.
#[derive(Clone, Copy, Debug)]
pub enum Allow {
    /// Everybody.
    Anyone,
    /// Controllers of this canister.
    Controller,
    /// The fleet's root.
    Root,
    /// This member's parent.
    Parent,
    /// Members whose parent is this canister.
    Child,
    /// Every member of the fleet, and root.
    Member,
    /// Members of a role.
    Role(&'static str),
    /// Callers that a function of the author's lets in.
    Guard(Guard),
}

/// Whether the verdict of a list can depend on what only root knows about a caller.
pub(crate) const fn may_ask(allow: &[Allow]) -> bool {
    let mut at = 0;
    while at < allow.len() {
        if let Allow::Child | Allow::Member | Allow::Role(_) = allow[at] {
            return true;
        }
        at += 1;
    }
    false
}

/// The verdict of an access list about a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Welcome,
    Denied,
    /// It depends on what root knows about the caller.
    AskRoot,
}

/// Checks a caller against a list. `cached` reads the caller's cache entry: at most once, and only
/// if the list has an entry that needs it.
pub(crate) fn check(
    allow: &[Allow],
    caller: Principal,
    cached: impl FnOnce(Principal) -> Cached,
) -> Verdict {
    let cached = LazyCell::new(|| cached(caller));
    let mut unsure = false;
    for entry in allow {
        match admits(*entry, caller, || &cached) {
            Some(true) => return Verdict::Welcome,
            Some(false) => {}
            None => unsure = true,
        }
    }
    if unsure {
        Verdict::AskRoot
    } else {
        Verdict::Denied
    }
}

/// Whether one entry lets a caller in. None: only root knows.
fn admits<'a>(
    entry: Allow,
    caller: Principal,
    cached: impl FnOnce() -> &'a Cached,
) -> Option<bool> {
    let root = || membership::identity().map(|identity| identity.root);
    let parent = || membership::identity().map(|identity| identity.parent);
    let member = |accepts: &dyn Fn(&MemberRef) -> bool| match cached() {
        Cached::Fresh(member) => Some(member.as_ref().is_some_and(accepts)),
        // A user is not a member, and an unmanaged canister has no root that it could ask.
        Cached::Unknown if root().is_none() || !is_canister(caller) => Some(false),
        Cached::Unknown | Cached::Stale(_) => None,
    };
    match entry {
        Allow::Anyone => Some(true),
        Allow::Controller => Some(ic::is_controller(caller)),
        Allow::Root => Some(root() == Some(caller)),
        Allow::Parent => Some(parent() == Some(caller)),
        Allow::Child => member(&|member| member.parent == ic::this()),
        Allow::Member if root() == Some(caller) => Some(true),
        Allow::Member => member(&|_| true),
        Allow::Role(wanted) => member(&|member| member.role == wanted),
        Allow::Guard(guard) => Some(guard().is_ok()),
    }
}

/// Whether a principal may be a canister's: opaque ids, as the platform calls them, end in 1.
fn is_canister(principal: Principal) -> bool {
    principal.as_slice().last() == Some(&1)
}

/// The list in words, for a caller that is denied.
pub(crate) fn words(allow: &[Allow]) -> String {
    let words: Vec<String> = allow
        .iter()
        .map(|entry| match entry {
            Allow::Anyone => "anyone".to_string(),
            Allow::Controller => "controllers".to_string(),
            Allow::Root => "root".to_string(),
            Allow::Parent => "the parent".to_string(),
            Allow::Child => "children".to_string(),
            Allow::Member => "members".to_string(),
            Allow::Role(role) => format!("members of role '{role}'"),
            Allow::Guard(guard) => match guard() {
                Err(reason) => format!("callers that a guard lets in ({reason})"),
                Ok(()) => "callers that a guard lets in".to_string(),
            },
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_caller_learns_the_list_and_the_reason_of_a_guard() {
        let refuses: Guard = || Err("the shop is closed".to_string());
        let allow = [Allow::Root, Allow::Role("hub"), Allow::Guard(refuses)];
        assert_eq!(
            words(&allow),
            "root, members of role 'hub', callers that a guard lets in (the shop is closed)"
        );
    }

    #[test]
    fn the_cache_decides_about_members() {
        let shard = MemberRef {
            role: "shard".to_string(),
            parent: Principal::from_slice(&[7, 1]),
            key: None,
        };
        let caller = Principal::from_slice(&[8, 1]);
        let verdict = |cached| check(&[Allow::Role("shard")], caller, |_| cached);
        assert_eq!(verdict(Cached::Fresh(Some(shard))), Verdict::Welcome);
        assert_eq!(verdict(Cached::Fresh(None)), Verdict::Denied);
        // An unmanaged canister has no root that it could ask.
        assert_eq!(verdict(Cached::Unknown), Verdict::Denied);
    }

    #[test]
    fn only_opaque_ids_may_be_canisters() {
        assert!(is_canister(Principal::from_slice(&[0, 1, 1])));
        assert!(!is_canister(Principal::anonymous()));
        assert!(!is_canister(Principal::self_authenticating([1])));
    }
}
