//! What the attributes of a crate declare: read from its source, as the macros read it.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, FnArg, ImplItem, Item, Meta, Type};

use crate::output::format;

/// What a crate is in a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// A root with the roles of its fleet. Without any, it accepts every role.
    Root(Vec<RootRole>),
    /// A member of a role.
    Role(Role),
}

/// A role, as the root declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RootRole {
    pub(crate) name: String,
    /// The last word of the type of `args`.
    pub(crate) args: Option<String>,
    pub(crate) wasm: Option<Wasm>,
    /// The roles of its parents; `root` among them. Empty: root alone.
    pub(crate) parents: Vec<String>,
}

/// The module that a root embeds for a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wasm {
    /// The module of a dependency.
    Dependency(String),
    /// The module in a file.
    File(String),
}

impl Wasm {
    /// The name of the crate whose module it is.
    pub(crate) fn crate_name(&self) -> Option<String> {
        let name = match self {
            Self::Dependency(name) => name,
            Self::File(file) => {
                let name = Path::new(file).file_name()?.to_str()?;
                name.trim_end_matches(".gz").trim_end_matches(".wasm")
            }
        };
        Some(name.replace('-', "_"))
    }
}

/// A role, as its member declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    /// The last word of the type of the argument of `init`.
    pub(crate) init: Option<String>,
    /// The roles of its children, with the types of their arguments.
    pub(crate) children: Vec<(String, Option<String>)>,
}

/// What a root may spend, by its attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) pool: Option<Pool>,
    pub(crate) roles: Vec<PlannedRole>,
    /// Cycles of all grants of a day.
    pub(crate) budget: Option<u128>,
}

/// The pool of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) min: u64,
    pub(crate) max: Option<u64>,
    /// Cycles of a new canister in it.
    pub(crate) cycles: u128,
}

/// A role of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlannedRole {
    pub(crate) name: String,
    /// Members at most.
    pub(crate) max: Option<u64>,
    /// Cycles of a new member.
    pub(crate) cycles: u128,
    /// Cycles of all grants of a day to its members.
    pub(crate) granted_per_day: Option<u128>,
}

/// What a new member has, and a canister of the pool, where the attribute names nothing.
const CYCLES: u128 = canic::config::DEFAULT_MEMBER_CYCLES;

/// The plan of the root in a crate's root file; none if it has no root.
///
/// # Errors
/// The file is no Rust.
pub(crate) fn plan(source: &str) -> Result<Option<Plan>, String> {
    let file = syn::parse_file(source).map_err(|e| e.to_string())?;
    let attributes = file.items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some(&item.attrs),
        Item::Impl(item) => Some(&item.attrs),
        _ => None,
    });
    let mut roots = attributes
        .flatten()
        .filter(|attribute| last_word(attribute).as_deref() == Some("root"));
    Ok(roots.next().map(|root| plan_of(&arguments(root))))
}

fn plan_of(arguments: &[Argument]) -> Plan {
    let list = |name: &str| find(arguments, name).map(|found| found.list.as_slice());
    let cycles = |list: &[Argument]| find(list, "cycles").and_then(Argument::cycles);
    let number = |list: &[Argument], name: &str| find(list, name).and_then(Argument::number);
    let pool = list("pool").map(|pool| Pool {
        min: number(pool, "min").unwrap_or(0),
        max: number(pool, "max"),
        cycles: cycles(pool).unwrap_or(CYCLES),
    });
    let roles = arguments.iter().filter(|one| one.name == "role");
    let role = |role: &Argument| {
        let fund = find(&role.list, "fund");
        Some(PlannedRole {
            name: find(&role.list, "name")?.text()?,
            max: number(&role.list, "max"),
            cycles: cycles(&role.list).unwrap_or(CYCLES),
            granted_per_day: fund
                .and_then(|fund| find(&fund.list, "per_day"))
                .and_then(Argument::cycles),
        })
    };
    let budget = list("budget").and_then(|budget| find(budget, "per_day"));
    Plan {
        pool,
        roles: roles.filter_map(role).collect(),
        budget: budget.and_then(Argument::cycles),
    }
}

/// What the root file of a crate declares; none if it is no canister of canic.
///
/// # Errors
/// The file is no Rust.
pub(crate) fn declared(source: &str) -> Result<Option<Declared>, String> {
    let file = syn::parse_file(source).map_err(|e| e.to_string())?;
    Ok(file.items.iter().find_map(of_item))
}

fn of_item(item: &Item) -> Option<Declared> {
    let (attributes, init) = match item {
        Item::Struct(item) => (&item.attrs, None),
        Item::Impl(item) => (&item.attrs, init_argument(&item.items)),
        _ => return None,
    };
    attributes.iter().find_map(|attribute| {
        let arguments = arguments(attribute);
        match last_word(attribute)?.as_str() {
            "root" => Some(Declared::Root(root_roles(&arguments))),
            "role" => Some(Declared::Role(role(&arguments, init.clone())?)),
            _ => None,
        }
    })
}

/// `root` of `canic::root`; none of another crate's attribute.
fn last_word(attribute: &Attribute) -> Option<String> {
    let words: Vec<String> = attribute
        .path()
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    match words.as_slice() {
        [canic, word] if canic == "canic" => Some(word.clone()),
        _ => None,
    }
}

/// The last word of the type that `init` takes.
fn init_argument(items: &[ImplItem]) -> Option<String> {
    let init = items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == "init" => Some(function),
        _ => None,
    })?;
    match init.sig.inputs.first()? {
        FnArg::Typed(argument) => type_word(&argument.ty),
        FnArg::Receiver(_) => None,
    }
}

fn type_word(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// An argument of an attribute: `name`, `name = value`, `name(list)` or a literal.
#[derive(Clone, Debug, Default)]
struct Argument {
    name: String,
    /// The tokens behind `=`.
    value: Vec<TokenTree>,
    list: Vec<Argument>,
}

impl Argument {
    /// The text of a literal string, without its quotes.
    fn text(&self) -> Option<String> {
        match self.value.as_slice() {
            [TokenTree::Literal(literal)] => string(&literal.to_string()),
            _ => None,
        }
    }

    /// The number of a literal.
    fn number(&self) -> Option<u64> {
        match self.value.as_slice() {
            [TokenTree::Literal(literal)] => literal.to_string().replace('_', "").parse().ok(),
            _ => None,
        }
    }

    /// An amount of cycles: a literal string as `"2T"`, or digits.
    fn cycles(&self) -> Option<u128> {
        let digits = || self.number().map(u128::from);
        match self.text() {
            Some(text) => format::parse_cycles(&text).ok(),
            None => digits(),
        }
    }

    /// The last word of a path.
    fn word(&self) -> Option<String> {
        match self.value.last()? {
            TokenTree::Ident(ident) => Some(ident.to_string()),
            _ => None,
        }
    }
}

fn string(literal: &str) -> Option<String> {
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    Some(text.to_string())
}

fn arguments(attribute: &Attribute) -> Vec<Argument> {
    match &attribute.meta {
        Meta::List(list) => split(list.tokens.clone()),
        _ => Vec::new(),
    }
}

fn split(tokens: TokenStream) -> Vec<Argument> {
    let (mut arguments, mut present) = (Vec::new(), Vec::new());
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => {
                arguments.extend(argument(&std::mem::take(&mut present)));
            }
            _ => present.push(token),
        }
    }
    arguments.extend(argument(&present));
    arguments
}

fn argument(tokens: &[TokenTree]) -> Option<Argument> {
    match tokens {
        [TokenTree::Literal(literal)] => Some(Argument {
            name: string(&literal.to_string())?,
            ..Argument::default()
        }),
        [TokenTree::Ident(name), TokenTree::Group(group)]
            if group.delimiter() == Delimiter::Parenthesis =>
        {
            Some(Argument {
                name: name.to_string(),
                list: split(group.stream()),
                ..Argument::default()
            })
        }
        [TokenTree::Ident(name), TokenTree::Punct(equals), value @ ..]
            if equals.as_char() == '=' =>
        {
            Some(Argument {
                name: name.to_string(),
                value: value.to_vec(),
                ..Argument::default()
            })
        }
        [TokenTree::Ident(name), ..] => Some(Argument {
            name: name.to_string(),
            ..Argument::default()
        }),
        _ => None,
    }
}

fn find<'a>(arguments: &'a [Argument], name: &str) -> Option<&'a Argument> {
    arguments.iter().find(|argument| argument.name == name)
}

fn root_roles(arguments: &[Argument]) -> Vec<RootRole> {
    let roles = arguments.iter().filter(|one| one.name == "role");
    let of = |role: &Argument| {
        let list = &role.list;
        let wasm = find(list, "wasm");
        let wasm = wasm.and_then(|wasm| match wasm.text() {
            Some(file) => Some(Wasm::File(file)),
            None => wasm.word().map(Wasm::Dependency),
        });
        let parents = find(list, "parents").map(|parents| &parents.list);
        Some(RootRole {
            name: find(list, "name")?.text()?,
            args: find(list, "args").and_then(Argument::word),
            wasm,
            parents: parents
                .into_iter()
                .flatten()
                .map(|one| one.name.clone())
                .collect(),
        })
    };
    roles.filter_map(of).collect()
}

fn role(arguments: &[Argument], init: Option<String>) -> Option<Role> {
    let children = arguments.iter().filter(|one| one.name == "child");
    let child = |child: &Argument| {
        let name = find(&child.list, "name")?.text()?;
        Some((name, find(&child.list, "args").and_then(Argument::word)))
    };
    Some(Role {
        name: arguments.first()?.name.clone(),
        init,
        children: children.filter_map(child).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_declares_its_roles_and_a_member_its_own() {
        let root = r#"
            #[canic::root(
                pool(min = 2, max = 10, cycles = "2T"),
                role(name = "hub", wasm = "../hub.wasm", max = 3),
                role(
                    name = "worker",
                    args = types::WorkerArgs,
                    wasm = worker,
                    parents("root", "hub"),
                ),
            )]
            pub struct Fleet;
        "#;
        let Some(Declared::Root(roles)) = declared(root).unwrap() else {
            panic!("it is a root");
        };
        assert_eq!(roles[0].wasm, Some(Wasm::File("../hub.wasm".to_string())));
        assert_eq!(roles[1].args.as_deref(), Some("WorkerArgs"));
        assert_eq!(roles[1].wasm, Some(Wasm::Dependency("worker".to_string())));
        assert_eq!(roles[1].parents, ["root", "hub"]);
        let hub = r#"
            pub struct Hub;
            #[canic::role("hub", child(name = "worker", args = WorkerArgs))]
            impl Hub {
                fn init(args: crate::HubArgs) {}
            }
        "#;
        let Some(Declared::Role(hub)) = declared(hub).unwrap() else {
            panic!("it is a role");
        };
        assert_eq!(
            (hub.name.as_str(), hub.init.as_deref()),
            ("hub", Some("HubArgs"))
        );
        assert_eq!(
            hub.children,
            [("worker".to_string(), Some("WorkerArgs".to_string()))]
        );
        assert_eq!(declared("fn main() {}"), Ok(None));
        assert_eq!(plan("fn main() {}"), Ok(None));
        assert!(declared("fn main( {}").is_err());
    }

    #[test]
    fn the_plan_of_a_root_has_its_limits_in_cycles() {
        let root = r#"
            #[canic::root(
                pool(min = 2, max = 1_000, cycles = "1.5T"),
                budget(per_day = "20T"),
                role(name = "hub", max = 3, cycles = "500B"),
                role(name = "worker", fund(below = "7d", to = "30d", per_day = "1T")),
            )]
            pub struct Fleet;
        "#;
        const B: u128 = 1_000_000_000;
        let role = |name: &str, max, cycles, granted_per_day| PlannedRole {
            name: name.to_string(),
            max,
            cycles,
            granted_per_day,
        };
        let expected = Plan {
            pool: Some(Pool {
                min: 2,
                max: Some(1_000),
                cycles: 1_500 * B,
            }),
            roles: vec![
                role("hub", Some(3), 500 * B, None),
                role("worker", None, CYCLES, Some(1_000 * B)),
            ],
            budget: Some(20_000 * B),
        };
        assert_eq!(plan(root), Ok(Some(expected)));
        let bare = "#[canic::root] pub struct Fleet;";
        assert_eq!(plan(bare), Ok(Some(Plan::default())));
    }
}
