//! The attributes of a workspace against each other: what no single expansion sees.

use serde::Serialize;

use crate::project::{
    attributes::{Declared, Role, RootRole},
    cargo::Canister,
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

/// Compares root and roles.
pub(crate) fn check(canisters: &[Canister]) -> Vec<Remark> {
    let roots: Vec<(&Canister, &Vec<RootRole>)> = canisters
        .iter()
        .filter_map(|one| match &one.declared {
            Declared::Root(roles) => Some((one, roles)),
            Declared::Role(_) => None,
        })
        .collect();
    let members: Vec<(&Canister, &Role)> = canisters
        .iter()
        .filter_map(|one| match &one.declared {
            Declared::Role(role) => Some((one, role)),
            Declared::Root(_) => None,
        })
        .collect();
    let mut remarks = Vec::new();
    if roots.is_empty() {
        remarks.push(warning("", "no crate has `#[canic::root(..)]`".to_string()));
    }
    // A root without roles accepts every role.
    for (root, roles) in roots.iter().filter(|(_, roles)| !roles.is_empty()) {
        for role in *roles {
            remarks.extend(missing_member(root, role, &members));
            remarks.extend(other_argument(role, &members));
            remarks.extend(unknown_parents(root, role, roles));
        }
        for (member, role) in &members {
            remarks.extend(unknown_role(root, roles, member, role));
            remarks.extend(children(root, roles, member, role));
        }
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

fn missing_member(
    root: &Canister,
    role: &RootRole,
    members: &[(&Canister, &Role)],
) -> Option<Remark> {
    let found = members.iter().any(|(_, member)| member.name == role.name);
    let what = format!(
        "no crate of this workspace has `#[canic::role(\"{}\")]`",
        role.name
    );
    (!found).then(|| warning(&root.package, what))
}

fn other_argument(role: &RootRole, members: &[(&Canister, &Role)]) -> Option<Remark> {
    let (canister, member) = members
        .iter()
        .find(|(_, member)| member.name == role.name)?;
    // A role without `args` takes any value.
    let args = role.args.as_ref()?;
    if member.init.as_ref() == Some(args) {
        return None;
    }
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

fn unknown_role(
    root: &Canister,
    roles: &[RootRole],
    member: &Canister,
    role: &Role,
) -> Option<Remark> {
    let known = roles.iter().any(|one| one.name == role.name);
    let what = format!("root `{}` has no role `{}`", root.package, role.name);
    (!known).then(|| warning(&member.package, what))
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
}
