//! The attributes of a workspace against each other: what no single expansion sees.

use serde::Serialize;

use crate::project::{
    attributes::{Role, RootRole},
    cargo::Canister,
    roots::{self, Member, Root},
};

/// A contradiction between crates, or something that is probably none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    /// Whether the fleet can't work so.
    pub(crate) is_error: bool,
    /// The package.
    pub(crate) package: String,
    pub(crate) what: String,
}

/// Compares each root with the members that are meant for it.
pub(crate) fn check(canisters: &[Canister]) -> Vec<Remark> {
    let roots = roots::roots(canisters);
    let members = roots::members(canisters);
    let mut remarks = Vec::new();
    if roots.is_empty() {
        remarks.push(warning("", "no crate has `#[canic::root(..)]`".to_string()));
    }
    for root in &roots {
        for role in root.roles {
            let own = root.members(role, &members);
            remarks.extend(missing_member(root.canister, role, &own));
            remarks.extend(other_argument(role, &own));
            remarks.extend(unknown_parents(root.canister, role, root.roles));
        }
        for role in root.roles {
            for (member, role) in root.members(role, &members) {
                remarks.extend(children(root.canister, root.roles, member, role));
            }
        }
    }
    for (member, role) in &members {
        remarks.extend(unknown_role(&roots, member, role));
    }
    remarks
}

fn error(package: &str, what: String) -> Remark {
    Remark {
        is_error: true,
        package: package.to_string(),
        what,
    }
}

fn warning(package: &str, what: String) -> Remark {
    Remark {
        is_error: false,
        ..error(package, what)
    }
}

fn missing_member(root: &Canister, role: &RootRole, own: &[Member<'_>]) -> Option<Remark> {
    let what = format!(
        "no crate of this workspace has `#[canic::role(\"{}\")]`",
        role.name
    );
    own.is_empty().then(|| warning(&root.package, what))
}

fn other_argument(role: &RootRole, own: &[Member<'_>]) -> Option<Remark> {
    // A role without `args` takes any value.
    let args = role.args.as_ref()?;
    if own
        .iter()
        .any(|(_, member)| member.init.as_ref() == Some(args))
    {
        return None;
    }
    let (canister, member) = own.first()?;
    let what = format!(
        "its `init` takes {}, and root's role `{}` has `args` of {args}",
        member.init.as_deref().unwrap_or("nothing"),
        role.name,
    );
    Some(error(&canister.package, what))
}

fn unknown_parents(root: &Canister, role: &RootRole, roles: &[RootRole]) -> Vec<Remark> {
    let known = |name: &String| name == "root" || roles.iter().any(|one| one.name == *name);
    let unknown = role.parents.iter().filter(|name| !known(name));
    let of = |name: &String| {
        let what = format!(
            "the parent `{name}` of role `{}` is no role of the root",
            role.name
        );
        error(&root.package, what)
    };
    unknown.map(of).collect()
}

/// A root without roles accepts every role.
fn unknown_role(roots: &[Root<'_>], member: &Canister, role: &Role) -> Option<Remark> {
    let accepts = |root: &Root<'_>| {
        root.roles.is_empty() || root.roles.iter().any(|one| one.name == role.name)
    };
    if roots.is_empty() || roots.iter().any(accepts) {
        return None;
    }
    let what = match roots {
        [root] => format!(
            "root `{}` has no role `{}`",
            root.canister.package, role.name
        ),
        _ => format!("no root of this workspace has a role `{}`", role.name),
    };
    Some(warning(&member.package, what))
}

fn children(root: &Canister, roles: &[RootRole], member: &Canister, role: &Role) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (name, args) in &role.children {
        let Some(child) = roles.iter().find(|one| one.name == *name) else {
            let what = format!("its child `{name}` is no role of root `{}`", root.package);
            remarks.push(error(&member.package, what));
            continue;
        };
        if !child.parents.contains(&role.name) {
            let what = format!(
                "root's role `{name}` needs `parents(\"{}\")`, or nobody can provision it here",
                role.name
            );
            remarks.push(error(&member.package, what));
        }
        // One without `args` takes any value.
        if let (Some(args), Some(child_args)) = (args, &child.args)
            && args != child_args
        {
            let what = format!(
                "its child `{name}` has `args` of {args}, and root's role has {child_args}"
            );
            remarks.push(error(&member.package, what));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::project::attributes::{Declared, Wasm};

    fn canister(package: &str, declared: Declared) -> Canister {
        Canister {
            package: package.to_string(),
            crate_name: package.to_string(),
            folder: PathBuf::new(),
            declared,
            plan: None,
        }
    }

    fn root_role(name: &str, args: Option<&str>, parents: &[&str]) -> RootRole {
        RootRole {
            name: name.to_string(),
            args: args.map(str::to_string),
            wasm: None,
            parents: parents.iter().map(ToString::to_string).collect(),
        }
    }

    fn member(name: &str, init: Option<&str>, child: Option<(&str, Option<&str>)>) -> Canister {
        let children = child.map(|(name, args)| (name.to_string(), args.map(str::to_string)));
        let role = Role {
            name: name.to_string(),
            init: init.map(str::to_string),
            children: children.into_iter().collect(),
        };
        canister(name, Declared::Role(role))
    }

    fn remarks(roles: Vec<RootRole>, members: &[Canister]) -> Vec<String> {
        let root = canister("root", Declared::Root(roles));
        let all: Vec<Canister> = members.iter().cloned().chain([root]).collect();
        let remarks = check(&all).into_iter();
        remarks
            .map(|one| format!("{} {}: {}", one.is_error, one.package, one.what))
            .collect()
    }

    #[test]
    fn a_fleet_without_contradictions_has_no_remarks() {
        let roles = vec![
            root_role("hub", None, &[]),
            root_role("worker", Some("Args"), &["root", "hub"]),
        ];
        let members = [
            member("hub", None, Some(("worker", Some("Args")))),
            member("worker", Some("Args"), None),
        ];
        assert_eq!(remarks(roles, &members), Vec::<String>::new());
        assert_eq!(remarks(Vec::new(), &members), Vec::<String>::new());
    }

    #[test]
    fn each_contradiction_is_named_at_its_crate() {
        let other = remarks(
            vec![root_role("worker", Some("Args"), &["nobody"])],
            &[member("worker", Some("Other"), None)],
        );
        assert_eq!(other.len(), 2, "{other:?}");
        assert!(other[0].contains("`init` takes Other"), "{other:?}");
        assert!(other[1].contains("the parent `nobody`"), "{other:?}");
        let hub = remarks(
            vec![
                root_role("hub", None, &[]),
                root_role("worker", Some("Other"), &[]),
            ],
            &[member("hub", None, Some(("worker", Some("Args"))))],
        );
        assert_eq!(hub.len(), 3, "{hub:?}");
        assert!(hub[0].starts_with("false root: no crate"), "{hub:?}");
        assert!(hub[1].contains("needs `parents(\"hub\")`"), "{hub:?}");
        let untyped = remarks(
            vec![root_role("worker", None, &[])],
            &[member("worker", Some("Args"), None)],
        );
        assert_eq!(untyped, Vec::<String>::new());
        let unknown = remarks(
            vec![root_role("worker", None, &[])],
            &[
                member("worker", None, Some(("page", None))),
                member("club", None, None),
            ],
        );
        assert_eq!(unknown.len(), 2, "{unknown:?}");
        assert!(
            check(&[])
                .iter()
                .any(|one| one.what.contains("canic::root"))
        );
    }

    #[test]
    fn a_root_is_told_what_concerns_its_own_fleet() {
        let at = |folder: &str, canister: Canister| Canister {
            folder: PathBuf::from(folder).join(&canister.package),
            ..canister
        };
        let root = |name: &str, role: RootRole| canister(name, Declared::Root(vec![role]));
        let named = |package: &str, init: &str| Canister {
            package: package.to_string(),
            crate_name: package.to_string(),
            ..member("worker", Some(init), None)
        };
        let embedding = RootRole {
            wasm: Some(Wasm::Dependency("far".to_string())),
            ..root_role("worker", Some("Far"), &[])
        };
        let mut all = vec![
            at("a", root("a-root", root_role("worker", Some("A"), &[]))),
            at("a", named("a-worker", "A")),
            at("b", root("b-root", root_role("worker", Some("B"), &[]))),
            at("b", named("b-worker", "B")),
            at("c", root("c-root", embedding)),
            at("c", named("c-worker", "C")),
            at("d", named("far", "Far")),
            at("a", member("club", None, None)),
        ];
        let told = |all: &[Canister]| -> Vec<String> {
            let remarks = check(all).into_iter();
            remarks
                .map(|one| format!("{}: {}", one.package, one.what))
                .collect()
        };
        let club = "club: no root of this workspace has a role `club`";
        assert_eq!(told(&all), [club]);
        all[3] = at("b", named("b-worker", "A"));
        let other = "b-worker: its `init` takes A, and root's role `worker` has `args` of B";
        assert_eq!(told(&all), [other, club]);
        // A root without roles takes the club.
        all.push(canister("bare", Declared::Root(Vec::new())));
        assert_eq!(told(&all), [other]);
    }
}
