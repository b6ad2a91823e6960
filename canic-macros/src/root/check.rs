//! Rules for the options of `#[canic::root]`, one function for each.

use syn::{Item, LitStr, parse_quote};

use super::{
    args::{PoolArgs, RoleArgs, RootArgs},
    duplicates::no_duplicates,
    fund,
    model::{Pool, Role, Rollback, Root},
    refuel, role_graph,
    rollout::Rollout,
    wasm,
};
use crate::{
    canister_kind::CanisterKind,
    diag::{Errors, suggestion},
    hooks::Canister,
    options::Spanned,
    role_fns::{self, RoleFn},
    values::{Controller, Controllers, Count, Cycles, Text},
};

/// The platform's limit for the controllers of a canister; root is one of them.
const MAX_CONTROLLERS: usize = 10;

pub(super) fn root(args: &RootArgs, item: &Item, errors: &mut Errors) -> Option<Root> {
    let canister = Canister::check(item, CanisterKind::Root, errors);
    let pool = args.pool.as_ref().map(|args| pool(args, errors));
    let refuel = args.refuel.as_ref();
    let refuel = refuel.map(|list| refuel::check(list, args.reserve.as_ref(), errors));
    let role_fns: Vec<_> = args
        .roles
        .iter()
        .map(|role| role.role_fn.check("role", role, errors))
        .collect();
    let roles: Vec<_> = args
        .roles
        .iter()
        .zip(&role_fns)
        .map(|(args, role_fn)| role(args, role_fn.clone(), errors))
        .collect();

    role_fns::distinct(role_fns.iter().flatten(), errors);
    role_graph::check(&args.roles, errors);
    let budget = args
        .budget
        .as_ref()
        .map(|budget| fund::budget(budget, &args.roles, errors));

    Some(Root {
        crate_path: args.crate_path.clone(),
        canister: canister?,
        pool: match pool {
            Some(pool) => Some(pool?),
            None => None,
        },
        reserve: args.reserve.as_ref().map(|cycles| cycles.0),
        budget: match budget {
            Some(budget) => Some(budget?),
            None => None,
        },
        refuel: match refuel {
            Some(refuel) => Some(refuel?),
            None => None,
        },
        stable_memory: args.stable_memory.as_ref().map(|size| size.0),
        roles: roles.into_iter().collect::<Option<_>>()?,
        http: args.http.as_ref().filter(|flag| flag.0).map(Spanned::span),
    })
}

fn pool(args: &Spanned<PoolArgs>, errors: &mut Errors) -> Option<Pool> {
    pool_has_max(args, errors);
    pool_max_is_positive(args, errors);
    min_within_max(args, errors);
    enough_cycles(args.cycles.as_ref(), "a canister in the pool", errors);
    Some(Pool {
        min: args.min.as_ref().map_or(0, |min| min.0),
        max: args.max.as_ref()?.0,
        cycles: args.cycles.as_ref().map(|cycles| cycles.0),
    })
}

fn pool_has_max(args: &Spanned<PoolArgs>, errors: &mut Errors) {
    if args.max_is_missing {
        errors.report(
            args,
            "a pool needs a bound: `pool(max = 10)`; nothing else limits what is paid for it",
        );
    }
}

fn pool_max_is_positive(args: &PoolArgs, errors: &mut Errors) {
    if let Some(max) = args.max.as_ref().filter(|max| max.0 == 0) {
        errors.report(
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
        errors.report_conflict(
            (min, format!("`min` is above `max`, which is {}", max.0)),
            (max, format!("`max` is below `min`, which is {}", min.0)),
        );
    }
}

/// The platform's fee for creating a canister on a subnet of 13 nodes, in cycles.
///
/// An install prepays up to 300 B, and up to 100 B are frozen. With a smaller balance than this
/// constant, the install of every member would fail.
const MIN_CYCLES: u128 = 500_000_000_000;

fn enough_cycles(cycles: Option<&Spanned<Cycles>>, owner: &str, errors: &mut Errors) {
    if let Some(cycles) = cycles.filter(|cycles| cycles.0 < MIN_CYCLES) {
        errors.report(
            cycles,
            format!(
                "{owner} cannot live on less than the \"500B\" that its creation costs; \
                 write an amount such as \"1T\""
            ),
        );
    }
}

fn role(args: &RoleArgs, role_fn: Option<RoleFn>, errors: &mut Errors) -> Option<Role> {
    max_is_positive(args.max.as_ref(), errors);
    max_is_positive(args.max_per_parent.as_ref(), errors);
    singleton_has_one_member(args, errors);
    max_per_parent_within_max(args, errors);
    enough_cycles(args.cycles.as_ref(), "a member", errors);
    let parents = parents(args, errors);
    let controllers = controllers(args.controllers.as_ref(), errors);
    parent_is_not_root_alone(&controllers, &parents, errors);
    let rollback = rollback(args.rollback.as_ref(), errors);
    let rollout = args
        .rollout
        .as_ref()
        .map(|args| Rollout::check(args, errors));
    let wasm = args.wasm.as_ref().map(|module| wasm::check(module, errors));
    let fund = args.fund.as_ref().map(|args| fund::check(args, errors));
    let singleton = args.singleton.as_ref().is_some_and(|flag| flag.0);
    Some(Role {
        role_fn: role_fn?,
        max: args.max.as_ref().map(|max| max.0),
        max_per_parent: args.max_per_parent.as_ref().map(|max| max.0),
        singleton,
        cycles: args.cycles.as_ref().map(|cycles| cycles.0),
        parents,
        watches: watches(args, errors),
        watches_releases: watches_releases(args, errors),
        controllers,
        rollback: rollback?,
        rollout,
        wasm: match wasm {
            Some(wasm) => Some(wasm?),
            None => None,
        },
        fund: match fund {
            Some(fund) => Some(fund?),
            None => None,
        },
    })
}

fn max_is_positive(max: Option<&Spanned<Count>>, errors: &mut Errors) {
    if let Some(max) = max.filter(|max| max.0 == 0) {
        errors.report(
            max,
            "a role of at most 0 members has none; leave the role out instead",
        );
    }
}

fn singleton_has_one_member(args: &RoleArgs, errors: &mut Errors) {
    let limits = [("max", &args.max), ("max_per_parent", &args.max_per_parent)];
    for (name, limit) in limits {
        if let (Some(singleton), Some(limit)) = (&args.singleton, limit)
            && singleton.0
            && limit.0 > 1
        {
            errors.report_conflict(
                (
                    limit,
                    format!("a singleton has one member; remove `{name}`, or remove `singleton`"),
                ),
                (singleton, "the role is a singleton here"),
            );
        }
    }
}

/// A limit for one parent is no higher than the limit for all parents together.
fn max_per_parent_within_max(args: &RoleArgs, errors: &mut Errors) {
    if let (Some(one), Some(all)) = (&args.max_per_parent, &args.max)
        && one.0 > all.0
        && all.0 > 0
    {
        errors.report_conflict(
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
    let watched = args.watches.as_ref().map_or(&[][..], |all| &all.roles);
    no_duplicates(watched, "watched role", LitStr::value, errors);
    watched.to_vec()
}

/// The word `releases`: once, and beside a role.
fn watches_releases(args: &RoleArgs, errors: &mut Errors) -> bool {
    let Some(watches) = &args.watches else {
        return false;
    };
    if let [first, second, ..] = &watches.releases[..] {
        errors.report_conflict(
            (second, "`releases` is given twice; keep one"),
            (first, "`releases` is first given here"),
        );
    }
    if let (Some(releases), []) = (watches.releases.first(), &watches.roles[..]) {
        errors.report(
            releases,
            "whose releases? Name the roles that are watched, too: `watches(\"worker\", releases)`",
        );
    }
    !watches.releases.is_empty()
}

fn parents(args: &RoleArgs, errors: &mut Errors) -> Vec<LitStr> {
    let Some(parents) = &args.parents else {
        return vec![parse_quote!("root")];
    };
    if parents.0.is_empty() {
        errors.report(
            parents,
            "a role without parents could have no members; \
             leave `parents` out for `parents(\"root\")`",
        );
    }
    no_duplicates(&parents.0, "parent", |parent| parent.value(), errors);
    parents.0.clone()
}

fn controllers(controllers: Option<&Spanned<Controllers>>, errors: &mut Errors) -> Vec<Controller> {
    let Some(controllers) = controllers else {
        return Vec::new();
    };
    no_duplicates(&controllers.0, "controller", Controller::text, errors);
    if controllers.0.len() >= MAX_CONTROLLERS {
        errors.report(
            &controllers.0[MAX_CONTROLLERS - 1],
            format!(
                "a canister has at most {MAX_CONTROLLERS} controllers, and root is one of them"
            ),
        );
    }
    controllers.0.clone()
}

/// Root controls every member, so that the parent is worth a word only if it may be another one.
fn parent_is_not_root_alone(controllers: &[Controller], parents: &[LitStr], errors: &mut Errors) {
    let parent = controllers
        .iter()
        .find(|it| matches!(it, Controller::Parent(_)));
    if let (Some(parent), [only]) = (parent, parents)
        && only.value() == "root"
    {
        errors.report(
            parent,
            "the parent of this role is root, which controls it in any case; \
             remove `parent`, or name other roles in `parents(..)`",
        );
    }
}

fn rollback(name: Option<&Spanned<Text>>, errors: &mut Errors) -> Option<Rollback> {
    let Some(name) = name else {
        return Some(Rollback::Recycle);
    };
    match name.0.value().as_str() {
        "recycle" => Some(Rollback::Recycle),
        "delete" => Some(Rollback::Delete),
        other => {
            errors.report(
                name,
                format!(
                    "unknown rollback `{other}`; {}",
                    suggestion(other, &["recycle", "delete"])
                ),
            );
            None
        }
    }
}
