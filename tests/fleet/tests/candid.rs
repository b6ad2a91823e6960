//! Interfaces and exports: each module's Candid interface as checked in, and its Wasm exports as
//! documented.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use candid::types::{
    FuncMode, Function, Type, TypeInner,
    subtype::{Incompatibility, format_report, subtype_check_all},
};
use candid_parser::utils::{CandidSource, instantiate_candid, service_compatibility_report};
use canic_fleet_tests::{artifacts, interface};

/// The checked-in interfaces are those of the modules. If one differs, the message says whether its
/// callers break.
#[test]
fn checked_in_interfaces_match_the_modules() {
    let mut faults = Vec::new();
    for interface in interface::all().expect("every canister has an interface") {
        let file = interface.file.display();
        match &interface.checked_in {
            None => faults.push(format!("{file} is missing; run `cargo xtask did`")),
            Some(old) if *old == interface.exported => {}
            Some(old) => {
                let breaks = breaking_changes(&interface.exported, old);
                faults.push(if breaks.is_empty() {
                    format!("{file} is compatible, but not up to date; run `cargo xtask did`")
                } else {
                    format!(
                        "{file}: callers of the checked-in interface break:\n{}\n\
                         if this is intended, say so in CHANGELOG.md and run `cargo xtask did`",
                        format_report(&breaks)
                    )
                });
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The changes that break callers, installs or upgrades by the old interface.
fn breaking_changes(new: &str, old: &str) -> Vec<Incompatibility> {
    use CandidSource::Text;
    let mut breaks = service_compatibility_report(Text(new), Text(old)).expect("Candid");
    let (new_init, (mut types, _)) = instantiate_candid(Text(new)).expect("Candid");
    let (old_init, (old_types, _)) = instantiate_candid(Text(old)).expect("Candid");

    // The new interface must accept each install argument that the old one allows.
    let method = |args| -> Type {
        let init = Function {
            modes: Vec::new(),
            args,
            rets: Vec::new(),
        };
        TypeInner::Service(vec![("init".into(), TypeInner::Func(init).into())]).into()
    };
    let old = types.merge_type(old_types, method(old_init));
    let init = subtype_check_all(&mut HashSet::new(), &types, &method(new_init), &old);
    breaks.extend(init);
    breaks
}

#[test]
fn a_change_that_breaks_callers_names_the_method() {
    let old = "type Args = record { name : text };
        service : (Args) -> { put : (text) -> (nat); get : () -> (nat) query }";
    for (new, because) in [
        (
            "type Args = record { name : text };
            service : (Args) -> { put : (nat) -> (nat); get : () -> (nat) query }",
            "method \"put\"",
        ),
        (
            "type Args = record { name : text };
            service : (Args) -> { put : (text) -> (nat) }",
            "method \"get\"",
        ),
        (
            "type Args = record { name : text };
            service : (Args) -> { put : (text) -> (nat); get : () -> (nat) }",
            "method \"get\"",
        ),
        (
            "type Args = record { name : text; size : nat };
            service : (Args) -> { put : (text) -> (nat); get : () -> (nat) query }",
            "method \"init\"",
        ),
    ] {
        let report = format_report(&breaking_changes(new, old));
        assert!(report.contains(because), "{report}");
    }
}

#[test]
fn a_compatible_change_breaks_nothing() {
    let old = "service : { put : (text) -> (nat) }";
    let new = "type Args = opt record { name : text };
        service : (Args) -> { put : (text, opt nat) -> (nat, text); more : () -> () }";
    assert_eq!(format_report(&breaking_changes(new, old)), "");
}

/// A module exports the endpoints of its interface and the exports of `docs/endpoints.md`, nothing
/// else. Its system endpoints are those in the tables of that page.
#[test]
fn modules_have_the_documented_exports() {
    let documented = Documented::read();
    let interfaces = interface::all().expect("every canister has an interface");
    let mut faults = Vec::new();
    let mut checked = BTreeSet::new();
    for (package, interface) in artifacts::CANISTERS.concat().iter().zip(interfaces) {
        let methods = methods(&interface.exported);
        let Some(kind) = Kind::of(&methods) else {
            continue;
        };
        checked.insert(kind);
        let system_endpoints = methods.keys().filter(|name| name.starts_with("canic_"));
        let system_endpoints: BTreeSet<String> = system_endpoints.cloned().collect();
        if system_endpoints != documented.endpoints[&kind] {
            let documented = &documented.endpoints[&kind];
            faults.push(format!(
                "{package} serves {system_endpoints:?}, docs/endpoints.md says {documented:?}"
            ));
        }
        let endpoints = methods
            .iter()
            .map(|(name, mode)| format!("canister_{mode} {name}"));
        let required: BTreeSet<String> = endpoints
            .chain(documented.always[&kind].iter().cloned())
            .collect();
        let exports = exports(&artifacts::module(package));
        for export in required.difference(&exports) {
            faults.push(format!("{package} lacks the export `{export}`"));
        }
        for export in exports.difference(&required) {
            if !documented.where_written.contains(export) {
                faults.push(format!(
                    "{package} exports `{export}`, which is not documented"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert_eq!(checked.len(), 2, "there are roots and members");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Root,
    Member,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Root, Self::Member];

    /// `None` for a canister that was built without canic.
    fn of(methods: &BTreeMap<String, &str>) -> Option<Self> {
        if methods.contains_key("canic_provision") {
            Some(Self::Root)
        } else if methods.contains_key("canic_identity") {
            Some(Self::Member)
        } else {
            None
        }
    }
}

/// The tables of `docs/endpoints.md`.
struct Documented {
    /// System endpoints, by the tables of endpoints.
    endpoints: BTreeMap<Kind, BTreeSet<String>>,
    /// Exports of every root or member, by the table of exports.
    always: BTreeMap<Kind, BTreeSet<String>>,
    /// The other exports: of hooks, and of other items that an author may write.
    where_written: BTreeSet<String>,
}

impl Documented {
    fn read() -> Self {
        let page = std::fs::read_to_string(artifacts::workspace().join("docs/endpoints.md"));
        let page = page.expect("the page can be read");
        let [roots, members, exports] = ["Root", "Member", "Exports"].map(|heading| {
            let section = page.split_once(&format!("\n## {heading}\n"));
            section.expect(heading).1
        });
        let names = |table| rows(table).flat_map(|(names, _)| names).collect();
        let of = |kind: &str| {
            rows(exports)
                .filter(|(_, of)| of.split(", ").any(|word| word == kind))
                .flat_map(|(names, _)| names)
                .collect()
        };
        Self {
            endpoints: Kind::ALL
                .into_iter()
                .zip([names(roots), names(members)])
                .collect(),
            always: Kind::ALL
                .into_iter()
                .zip([of("root"), of("member")])
                .collect(),
            where_written: rows(exports)
                .filter(|(_, of)| of.starts_with("where "))
                .flat_map(|(names, _)| names)
                .collect(),
        }
    }
}

/// The rows of the first table in a text: the names in the first cell, and the second cell.
fn rows(text: &str) -> impl Iterator<Item = (Vec<String>, &str)> {
    text.lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"))
        .map(|row| {
            let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
            let names = cells
                .next()
                .unwrap_or_default()
                .split('`')
                .skip(1)
                .step_by(2);
            (
                names.map(str::to_string).collect(),
                cells.next().unwrap_or_default(),
            )
        })
}

/// The methods of an interface, each with the platform's name of its kind.
fn methods(interface: &str) -> BTreeMap<String, &'static str> {
    let (_, (types, service)) = instantiate_candid(CandidSource::Text(interface)).expect("Candid");
    let methods = types.as_service(&service).expect("a service");
    let mode = |ty| {
        let function = types.as_func(ty).expect("a method");
        match function.modes.as_slice() {
            [] => "update",
            [FuncMode::Query] => "query",
            [FuncMode::CompositeQuery] => "composite_query",
            other => panic!("canic has no endpoints of the mode {other:?}"),
        }
    };
    methods
        .iter()
        .map(|(name, ty)| (name.clone(), mode(ty)))
        .collect()
}

/// The names of a module's exports.
fn exports(module: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::ExportSection(exports) = payload.expect("a valid module") {
            names.extend(
                exports
                    .into_iter()
                    .map(|export| export.expect("an export").name.to_string()),
            );
        }
    }
    names
}
