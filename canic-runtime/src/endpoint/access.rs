//! Who may call what.

use crate::{
    api::{MemberRef, Membership},
    platform::ic,
};
use candid::Principal;
use std::cell::{Cell, LazyCell};

/// A condition of an endpoint beside its access list.
pub type Guard = fn() -> Result<(), String>;

/// One entry of an endpoint's access list. Any one that matches lets the caller in.
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
    /// Whom a function of the author's lets in.
    Guard(Guard),
}

/// What this canister knows of its fleet; set when its lifecycle hooks run.
///
/// Root answers from its registry. A member knows its root and its parent for certain, other members as far as they were
/// announced or asked for; about the others it has to ask root (see [`Endpoint::ask`](crate::endpoint::Endpoint)).
#[derive(Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) membership: fn() -> Option<Membership>,
    /// This canister's role; root has none.
    pub(crate) role: Option<&'static str>,
    /// What this canister knows about another one.
    pub(crate) known: fn(Principal) -> Cached,
}

thread_local! {
    static FLEET: Cell<Fleet> = const { Cell::new(Fleet {
        membership: || None,
        role: None,
        known: |_| Cached::Unknown,
    }) };
}

pub(crate) fn set_fleet(fleet: Fleet) {
    FLEET.set(fleet);
}

pub(crate) fn membership() -> Option<Membership> {
    (FLEET.get().membership)()
}

pub(crate) fn role() -> Option<&'static str> {
    FLEET.get().role
}

/// What is known about a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cached {
    /// What it is; none if it is no member.
    Fresh(Option<MemberRef>),
    /// What it was when root last spoke of it, which is some time ago: enough for who can't ask.
    Stale(MemberRef),
    /// Only root can tell.
    Unknown,
}

/// What this canister itself knows about a caller.
pub(crate) fn known(caller: Principal) -> Cached {
    (FLEET.get().known)(caller)
}

/// The same, for a query: it can't ask root, and makes do with what was announced last.
pub(crate) fn known_without_asking(caller: Principal) -> Cached {
    match known(caller) {
        Cached::Stale(standing) => Cached::Fresh(Some(standing)),
        other => other,
    }
}

/// Whether a list can depend on what only root knows about a caller.
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

/// What an access list says about a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Welcome,
    Denied,
    /// It depends on what root knows about the caller.
    AskRoot,
}

/// `known` says what this canister knows about the caller. It is asked only where that matters, and once.
pub(crate) fn check(
    allow: &[Allow],
    caller: Principal,
    known: impl FnOnce(Principal) -> Cached,
) -> Verdict {
    let known = LazyCell::new(|| known(caller));
    let mut unsure = false;
    for entry in allow {
        match admits(*entry, caller, || &known) {
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

/// None: only root can tell.
fn admits<'a>(entry: Allow, caller: Principal, known: impl FnOnce() -> &'a Cached) -> Option<bool> {
    let root = || membership().map(|membership| membership.root);
    let member = |accepts: &dyn Fn(&MemberRef) -> bool| match known() {
        Cached::Fresh(member) => Some(member.as_ref().is_some_and(accepts)),
        // People are no members, and an unmanaged canister has no fleet: there is nothing to ask.
        Cached::Unknown if root().is_none() || !is_canister(caller) => Some(false),
        Cached::Unknown | Cached::Stale(_) => None,
    };
    match entry {
        Allow::Anyone => Some(true),
        Allow::Controller => Some(ic::is_controller(caller)),
        Allow::Root => Some(root() == Some(caller)),
        Allow::Parent => Some(membership().is_some_and(|membership| membership.parent == caller)),
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

/// The list in words, for whom it turns away.
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
                Err(reason) => format!("whom a guard lets in ({reason})"),
                Ok(()) => "whom a guard lets in".to_string(),
            },
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_learns_who_may_come_and_what_a_guard_said() {
        let refuses: Guard = || Err("the shop is closed".to_string());
        let allow = [Allow::Root, Allow::Role("hub"), Allow::Guard(refuses)];
        assert_eq!(
            words(&allow),
            "root, members of role 'hub', whom a guard lets in (the shop is closed)"
        );
    }

    #[test]
    fn what_root_knows_decides_about_members() {
        let shard = MemberRef {
            role: "shard".to_string(),
            parent: Principal::from_slice(&[7, 1]),
            key: None,
        };
        let caller = Principal::from_slice(&[8, 1]);
        let verdict = |known| check(&[Allow::Role("shard")], caller, |_| known);
        assert_eq!(verdict(Cached::Fresh(Some(shard))), Verdict::Welcome);
        assert_eq!(verdict(Cached::Fresh(None)), Verdict::Denied);
        // Without a fleet there is nobody to ask.
        assert_eq!(verdict(Cached::Unknown), Verdict::Denied);
    }

    #[test]
    fn only_opaque_ids_may_be_canisters() {
        assert!(is_canister(Principal::from_slice(&[0, 1, 1])));
        assert!(!is_canister(Principal::anonymous()));
        assert!(!is_canister(Principal::self_authenticating([1])));
    }
}
