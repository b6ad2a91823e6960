//! The graph of a fleet's roles: their parents and the roles that they watch.

use syn::LitStr;

use super::args::RoleArgs;
use crate::{
    diag::{Errors, suggestion},
    options::Spanned,
};

/// Checks the graph; its nodes are the names as they are written, even if one is malformed.
pub(super) fn check(roles: &[Spanned<RoleArgs>], errors: &mut Errors) {
    let named: Vec<(String, &RoleArgs)> = roles
        .iter()
        .filter_map(|args| Some((args.role_fn.name.as_ref()?.0.value(), &args.value)))
        .collect();
    // If a name could not be read, an unknown parent may be that role.
    if named.len() == roles.len() {
        watched_are_known(&named, errors);
        if parents_are_known(&named, errors) {
            root_is_reachable(&named, errors);
        }
    }
}

/// Every watched role is in the list.
fn watched_are_known(roles: &[(String, &RoleArgs)], errors: &mut Errors) {
    let known: Vec<_> = roles.iter().map(|(name, _)| name.as_str()).collect();
    let watched = roles.iter().flat_map(|(_, args)| &args.watches);
    for role in watched.flat_map(|watches| &watches.roles) {
        let name = role.value();
        if !known.contains(&name.as_str()) {
            errors.report(
                role,
                format!(
                    "`{name}`, which is watched, is not a role of this fleet; {}",
                    suggestion(&name, &known)
                ),
            );
        }
    }
}

/// Every parent is root or a role in the list; false if one is not.
fn parents_are_known(roles: &[(String, &RoleArgs)], errors: &mut Errors) -> bool {
    let known: Vec<_> = std::iter::once("root")
        .chain(roles.iter().map(|(name, _)| name.as_str()))
        .collect();
    let mut all_known = true;
    for parent in roles.iter().flat_map(|(_, args)| parents(args)) {
        let name = parent.value();
        if !known.contains(&name.as_str()) {
            all_known = false;
            errors.report(
                parent,
                format!(
                    "the parent `{name}` is not a role of this fleet; {}",
                    suggestion(&name, &known)
                ),
            );
        }
    }
    all_known
}

/// Every role has a chain of parents up to root; without one it could never get its first member.
fn root_is_reachable(roles: &[(String, &RoleArgs)], errors: &mut Errors) {
    let mut reached = vec!["root"];
    loop {
        let next = roles.iter().find(|(name, args)| {
            !reached.contains(&name.as_str())
                && (args.parents.is_none()
                    || parents(args).any(|parent| reached.contains(&parent.value().as_str())))
        });
        match next {
            Some((name, _)) => reached.push(name),
            None => break,
        }
    }
    for (name, args) in roles {
        let cut_off = !reached.contains(&name.as_str());
        if let Some(parent) = parents(args).next().filter(|_| cut_off) {
            errors.report(
                parent,
                format!(
                    "no parent of `{}` leads up to root, so it could never have a member; \
                     let root or a role that root can reach be one of its parents",
                    name
                ),
            );
        }
    }
}

fn parents(args: &RoleArgs) -> impl Iterator<Item = &LitStr> {
    args.parents.iter().flat_map(|parents| &parents.0)
}
