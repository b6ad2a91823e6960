//! The roots of a workspace, each with the members that are meant for it. A workspace may have
//! several fleets, and roles of one name in some of them.

use crate::project::{
    attributes::{Declared, Role, RootRole},
    cargo::Canister,
};

/// A root of the workspace.
#[derive(Clone, Copy)]
pub(crate) struct Root<'a> {
    pub(crate) canister: &'a Canister,
    pub(crate) roles: &'a [RootRole],
}

/// A member of the workspace.
pub(crate) type Member<'a> = (&'a Canister, &'a Role);

/// The roots of a workspace.
pub(crate) fn roots(canisters: &[Canister]) -> Vec<Root<'_>> {
    let roots = canisters.iter().filter_map(|one| match &one.declared {
        Declared::Root(roles) => Some(Root {
            canister: one,
            roles,
        }),
        Declared::Role(_) => None,
    });
    roots.collect()
}

/// The members of a workspace.
pub(crate) fn members(canisters: &[Canister]) -> Vec<Member<'_>> {
    let members = canisters.iter().filter_map(|one| match &one.declared {
        Declared::Role(role) => Some((one, role)),
        Declared::Root(_) => None,
    });
    members.collect()
}

impl Root<'_> {
    /// The members that are meant for a role of this root. Of several with its name they are the
    /// one that root embeds, or else those whose folders are beside root's, or else all.
    pub(crate) fn members<'m>(&self, role: &RootRole, all: &[Member<'m>]) -> Vec<Member<'m>> {
        let named = all.iter().filter(|(_, member)| member.name == role.name);
        let named: Vec<Member<'m>> = named.copied().collect();
        let embedded = role.wasm.as_ref().and_then(|wasm| wasm.crate_name());
        let is_embedded = |one: &Canister| embedded.as_ref() == Some(&one.crate_name);
        let folder = self.canister.folder.parent();
        let is_beside = |one: &Canister| one.folder.parent() == folder;
        let only = |is_meant: &dyn Fn(&Canister) -> bool| -> Vec<Member<'m>> {
            let meant = named.iter().filter(|(one, _)| is_meant(one));
            meant.copied().collect()
        };
        let choices = [only(&is_embedded), only(&is_beside)];
        let chosen = choices.into_iter().find(|some| !some.is_empty());
        chosen.unwrap_or(named)
    }

    /// Whether a canister of the workspace is meant for this fleet. A root without roles accepts
    /// every member.
    pub(crate) fn concerns(&self, canister: &Canister, all: &[Member<'_>]) -> bool {
        if canister.role().is_none() {
            return canister.package == self.canister.package;
        }
        let is_meant = |role| {
            let mut members = self.members(role, all).into_iter();
            members.any(|(one, _)| one.package == canister.package)
        };
        self.roles.is_empty() || self.roles.iter().any(is_meant)
    }
}
