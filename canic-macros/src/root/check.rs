//! The rules for the options of `#[canic::root]`: one function each.

use syn::{Item, LitStr, parse_quote};

use super::args::{PoolArgs, RoleArgs, RootArgs};
use super::model::{Pool, Role, Rollback, Root};
use super::wasm;
use crate::diag::{Errors, instead_of};
use crate::hooks::Canister;
use crate::options::Given;
use crate::role_fns::{self, Handle};
use crate::values::{Controller, Controllers, Count, Cycles, Text};

/// The most controllers that the platform lets a canister have, root among them.
const MOST_CONTROLLERS: usize = 10;

pub(super) fn root(args: &RootArgs, item: &Item, errors: &mut Errors) -> Option<Root> {
    let canister = Canister::check(item, "root", errors);
    let pool = args.pool.as_ref().map(|args| pool(args, errors));
    let handles: Vec<_> = args
        .roles
        .iter()
        .map(|role| role.handle.check("role", role, errors))
        .collect();
    let roles: Vec<_> = args
        .roles
        .iter()
        .zip(&handles)
        .map(|(args, handle)| role(args, handle.clone(), errors))
        .collect();

    role_fns::distinct(handles.iter().flatten(), errors);
    family(&args.roles, errors);

    Some(Root {
        crate_path: args.crate_path.clone(),
        canister: canister?,
        pool: match pool {
            Some(pool) => Some(pool?),
            None => None,
        },
        reserve: args.reserve.as_ref().map(|cycles| cycles.0),
        stable_memory: args.stable_memory.as_ref().map(|size| size.0),
        roles: roles.into_iter().collect::<Option<_>>()?,
        http: args.http.as_ref().is_some_and(|flag| flag.0),
    })
}

fn pool(args: &Given<PoolArgs>, errors: &mut Errors) -> Option<Pool> {
    pool_needs_max(args, errors);
    pool_holds_something(args, errors);
    min_within_max(args, errors);
    enough_cycles(args.cycles.as_ref(), "a canister in the pool", errors);
    Some(Pool {
        min: args.min.as_ref().map_or(0, |min| min.0),
        max: args.max.as_ref()?.0,
        cycles: args.cycles.as_ref().map(|cycles| cycles.0),
    })
}

fn pool_needs_max(args: &Given<PoolArgs>, errors: &mut Errors) {
    if args.lacks_max {
        errors.at(
            args,
            "a pool needs a bound: `pool(max = 10)`; nothing else limits what is paid for it",
        );
    }
}

fn pool_holds_something(args: &PoolArgs, errors: &mut Errors) {
    if let Some(max) = args.max.as_ref().filter(|max| max.0 == 0) {
        errors.at(
            max,
            "a pool of 0 holds nothing; for a fleet without one leave `pool` out",
        );
    }
}

fn min_within_max(args: &PoolArgs, errors: &mut Errors) {
    if let (Some(min), Some(max)) = (&args.min, &args.max)
        && min.0 > max.0
        && max.0 > 0
    {
        errors.conflict(
            (min, format!("`min` is above `max`, which is {}", max.0)),
            (max, format!("`max` is below `min`, which is {}", min.0)),
        );
    }
}

/// What creating a canister costs on a subnet of 13 nodes, in cycles. An install takes up to 300 B in advance, and 100 B
/// more may be frozen: with less than this, members would be refused one after the other.
const LEAST_CYCLES: u128 = 500_000_000_000;

fn enough_cycles(cycles: Option<&Given<Cycles>>, whose: &str, errors: &mut Errors) {
    if let Some(cycles) = cycles.filter(|cycles| cycles.0 < LEAST_CYCLES) {
        errors.at(
            cycles,
            format!(
                "{whose} cannot live on less than the \"500B\" that its creation costs; \
                 write an amount such as \"1T\""
            ),
        );
    }
}

fn role(args: &RoleArgs, handle: Option<Handle>, errors: &mut Errors) -> Option<Role> {
    some_members(args.max.as_ref(), errors);
    some_members(args.max_per_parent.as_ref(), errors);
    one_singleton(args, errors);
    parents_share(args, errors);
    enough_cycles(args.cycles.as_ref(), "a member", errors);
    let parents = parents(args, errors);
    let controllers = controllers(args.controllers.as_ref(), errors);
    let rollback = rollback(args.rollback.as_ref(), errors);
    let wasm = args.wasm.as_ref().map(|path| wasm::check(&path.0, errors));
    let singleton = args.singleton.as_ref().is_some_and(|flag| flag.0);
    Some(Role {
        handle: handle?,
        max: args.max.as_ref().map(|max| max.0),
        max_per_parent: args.max_per_parent.as_ref().map(|max| max.0),
        singleton,
        cycles: args.cycles.as_ref().map(|cycles| cycles.0),
        parents,
        watches: watches(args, errors),
        controllers,
        rollback: rollback?,
        wasm: match wasm {
            Some(wasm) => Some(wasm?),
            None => None,
        },
    })
}

fn some_members(max: Option<&Given<Count>>, errors: &mut Errors) {
    if let Some(max) = max.filter(|max| max.0 == 0) {
        errors.at(
            max,
            "a role of at most 0 members has none; leave the role out instead",
        );
    }
}

fn one_singleton(args: &RoleArgs, errors: &mut Errors) {
    if let (Some(singleton), Some(max)) = (&args.singleton, &args.max)
        && singleton.0
        && max.0 > 1
    {
        errors.conflict(
            (
                max,
                "a singleton has one member; remove `max`, or remove `singleton`",
            ),
            (singleton, "the role is a singleton here"),
        );
    }
}

/// What one parent may have is part of what all may have.
fn parents_share(args: &RoleArgs, errors: &mut Errors) {
    if let (Some(one), Some(all)) = (&args.max_per_parent, &args.max)
        && one.0 > all.0
        && all.0 > 0
    {
        errors.conflict(
            (
                one,
                format!(
                    "one parent can't have more members than all: `max` is {}",
                    all.0
                ),
            ),
            (all, "the role has at most so many members"),
        );
    }
}

fn watches(args: &RoleArgs, errors: &mut Errors) -> Vec<LitStr> {
    let watched = args.watches.as_ref().map_or(&[][..], |roles| &roles.0);
    repeated(watched, "watched role", LitStr::value, errors);
    watched.to_vec()
}

fn parents(args: &RoleArgs, errors: &mut Errors) -> Vec<LitStr> {
    let Some(parents) = &args.parents else {
        return vec![parse_quote!("root")];
    };
    if parents.0.is_empty() {
        errors.at(
            parents,
            "a role without parents could have no members; leave `parents` out for `parents(\"root\")`",
        );
    }
    repeated(&parents.0, "parent", |parent| parent.value(), errors);
    parents.0.clone()
}

fn controllers(controllers: Option<&Given<Controllers>>, errors: &mut Errors) -> Vec<Controller> {
    let Some(controllers) = controllers else {
        return Vec::new();
    };
    repeated(&controllers.0, "controller", Controller::text, errors);
    if controllers.0.len() >= MOST_CONTROLLERS {
        errors.at(
            &controllers.0[MOST_CONTROLLERS - 1],
            format!(
                "a canister has at most {MOST_CONTROLLERS} controllers, and root is one of them"
            ),
        );
    }
    controllers.0.clone()
}

fn repeated<T: quote::ToTokens>(
    items: &[T],
    what: &str,
    text: impl Fn(&T) -> String,
    errors: &mut Errors,
) {
    for (index, item) in items.iter().enumerate() {
        let name = text(item);
        if let Some(earlier) = items[..index].iter().find(|other| text(other) == name) {
            errors.conflict(
                (
                    item,
                    format!("the {what} `{name}` is named twice; keep one"),
                ),
                (earlier, format!("`{name}` is first named here")),
            );
        }
    }
}

fn rollback(given: Option<&Given<Text>>, errors: &mut Errors) -> Option<Rollback> {
    let Some(given) = given else {
        return Some(Rollback::Recycle);
    };
    match given.0.value().as_str() {
        "recycle" => Some(Rollback::Recycle),
        "delete" => Some(Rollback::Delete),
        other => {
            errors.at(
                given,
                format!(
                    "unknown rollback `{other}`; {}",
                    instead_of(other, &["recycle", "delete"])
                ),
            );
            None
        }
    }
}

/// The roles by the names that were written, well-formed or not, and their parents.
fn family(roles: &[Given<RoleArgs>], errors: &mut Errors) {
    let named: Vec<(String, &RoleArgs)> = roles
        .iter()
        .filter_map(|args| Some((args.handle.name.as_ref()?.0.value(), &args.value)))
        .collect();
    // With a name unread, a parent may be that one.
    if named.len() == roles.len() {
        known_watched(&named, errors);
        if known_parents(&named, errors) {
            reachable(&named, errors);
        }
    }
}

/// Every role that is watched is one of this list.
fn known_watched(roles: &[(String, &RoleArgs)], errors: &mut Errors) {
    let known: Vec<_> = roles.iter().map(|(name, _)| name.as_str()).collect();
    let watched = roles.iter().flat_map(|(_, args)| &args.watches);
    for role in watched.flat_map(|roles| &roles.0) {
        let name = role.value();
        if !known.contains(&name.as_str()) {
            errors.at(
                role,
                format!(
                    "`{name}`, which is watched, is not a role of this fleet; {}",
                    instead_of(&name, &known)
                ),
            );
        }
    }
}

/// Whether every parent is root or a role of this list.
fn known_parents(roles: &[(String, &RoleArgs)], errors: &mut Errors) -> bool {
    let known: Vec<_> = std::iter::once("root")
        .chain(roles.iter().map(|(name, _)| name.as_str()))
        .collect();
    let mut all_known = true;
    for parent in roles.iter().flat_map(|(_, args)| parents_of(args)) {
        let name = parent.value();
        if !known.contains(&name.as_str()) {
            all_known = false;
            errors.at(
                parent,
                format!(
                    "the parent `{name}` is not a role of this fleet; {}",
                    instead_of(&name, &known)
                ),
            );
        }
    }
    all_known
}

/// Every role has a line of parents up to root; one that hasn't could never get its first member.
fn reachable(roles: &[(String, &RoleArgs)], errors: &mut Errors) {
    let mut reached = vec!["root"];
    loop {
        let next = roles.iter().find(|(name, args)| {
            !reached.contains(&name.as_str())
                && (args.parents.is_none()
                    || parents_of(args).any(|parent| reached.contains(&parent.value().as_str())))
        });
        match next {
            Some((name, _)) => reached.push(name),
            None => break,
        }
    }
    for (name, args) in roles {
        let cut_off = !reached.contains(&name.as_str());
        if let Some(parent) = parents_of(args).next().filter(|_| cut_off) {
            errors.at(
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

fn parents_of(args: &RoleArgs) -> impl Iterator<Item = &LitStr> {
    args.parents.iter().flat_map(|parents| &parents.0)
}
