//! Rules for the options of `#[canic::role]`, one function for each.

use proc_macro2::Span;
use syn::Item;

use super::{
    args::{NameArg, RoleArgs},
    model::Role,
};
use crate::{
    canister_kind::CanisterKind, diag::Errors, hooks::Canister, options::Spanned, role_fns,
    values::RoleName,
};

pub(super) fn role(args: &RoleArgs, item: &Item, errors: &mut Errors) -> Option<Role> {
    let canister = Canister::check(item, CanisterKind::Member, errors);
    let name = name(args, errors);
    let children: Vec<_> = args
        .children
        .iter()
        .map(|child| child.check("child", child, errors))
        .collect();
    role_fns::distinct(children.iter().flatten(), errors);
    parents_subscribe(args, errors);
    Some(Role {
        crate_path: args.crate_path.clone(),
        canister: canister?,
        name: name?,
        children: children.into_iter().collect::<Option<_>>()?,
        // A member with children subscribes, so that it learns of them.
        subscribes: !args.children.is_empty()
            || args.subscribes.as_ref().is_some_and(|flag| flag.0),
        stable_memory: args.stable_memory.as_ref().map(|size| size.0),
        http: args.http.as_ref().filter(|flag| flag.0).map(Spanned::span),
    })
}

/// A member with children subscribes whatever this option says, so that it learns of them.
fn parents_subscribe(args: &RoleArgs, errors: &mut Errors) {
    if let (Some(subscribes), Some(child)) = (&args.subscribes, args.children.first())
        && !subscribes.0
    {
        errors.report_conflict(
            (
                subscribes,
                "a member with a `child(..)` subscribes in any case; remove this option",
            ),
            (child, "the member has children here"),
        );
    }
}

fn name(args: &RoleArgs, errors: &mut Errors) -> Option<RoleName> {
    const EXAMPLE: &str = "`#[canic::role(\"worker\")]`";
    match &args.name {
        NameArg::Literal(name) => return RoleName::check(name, errors),
        NameArg::Labelled(option) => errors.report(
            option,
            format!("the role's name stands without `name =`, as in {EXAMPLE}"),
        ),
        NameArg::Unquoted(word) => errors.report(
            word,
            format!("the role's name stands in quotes, as in {EXAMPLE}"),
        ),
        NameArg::Unparsed => {}
        NameArg::Missing => errors.report_at(
            Span::call_site(),
            format!("a member has a role, whose name stands first, as in {EXAMPLE}"),
        ),
    }
    None
}
