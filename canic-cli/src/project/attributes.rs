//! What the attributes of a crate declare: read from its source, as the macros read it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, FnArg, ImplItem, Item, Meta, Type};

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

/// A role, as its member declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    /// The last word of the type of the argument of `init`.
    pub(crate) init: Option<String>,
    /// The roles of its children, with the types of their arguments.
    pub(crate) children: Vec<(String, Option<String>)>,
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
        assert!(declared("fn main( {}").is_err());
    }
}
