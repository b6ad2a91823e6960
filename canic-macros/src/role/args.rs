//! The options of `#[canic::role]`, as they are written.

use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::{Lit, LitStr, Meta, Path};

use crate::{
    crate_path::CratePath,
    diag::Errors,
    options::{self, OptionNames, Options, Spanned},
    role_fns::RoleFnArgs,
    values::{Flag, Gibibytes, PathValue},
};

pub(super) struct RoleArgs {
    pub(super) crate_path: CratePath,
    /// The role's name: the first item of the list, without `name =`.
    pub(super) name: NameArg,
    pub(super) children: Vec<Spanned<RoleFnArgs>>,
    pub(super) http: Option<Spanned<Flag>>,
    pub(super) subscribes: Option<Spanned<Flag>>,
    pub(super) stable_memory: Option<Spanned<Gibibytes>>,
}

/// The item in the place of the name.
pub(super) enum NameArg {
    Literal(LitStr),
    /// `name = ".."`, as in `#[canic::root]`.
    Labelled(Path),
    /// A word without quotes.
    Unquoted(Path),
    Missing,
    /// The list could not be parsed.
    Unparsed,
}

pub(crate) const ROLE: OptionNames = OptionNames {
    unique: &["http", "subscribes", "stable_memory", "crate"],
    repeatable: &["child"],
};
pub(crate) const CHILD: OptionNames = OptionNames {
    unique: &["name", "args"],
    repeatable: &[],
};

impl RoleArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let list = options::list(tokens, errors);
        let name = match &list {
            Some(items) => NameArg::of(items.first()),
            None => NameArg::Unparsed,
        };
        let mut items = list.unwrap_or_default();
        if !matches!(name, NameArg::Missing | NameArg::Unparsed) {
            items.remove(0);
        }
        let options = Options::from_items(items, &ROLE, errors);
        let crate_path = options.single::<PathValue>("crate", errors);
        Self {
            crate_path: CratePath::new(crate_path.map(|path| path.value.0)),
            name,
            children: options
                .lists("child", "child(name = \"shard\")", errors)
                .into_iter()
                .map(|list| list.map(|tokens| child(tokens, errors)))
                .collect(),
            http: options.single("http", errors),
            subscribes: options.single("subscribes", errors),
            stable_memory: options.single("stable_memory", errors),
        }
    }
}

fn child(tokens: TokenStream, errors: &mut Errors) -> RoleFnArgs {
    RoleFnArgs::parse(&Options::parse(tokens, &CHILD, errors), errors)
}

impl NameArg {
    fn of(first: Option<&NestedMeta>) -> Self {
        match first {
            Some(NestedMeta::Lit(Lit::Str(name))) => Self::Literal(name.clone()),
            Some(NestedMeta::Meta(meta)) if meta.path().is_ident("name") => {
                Self::Labelled(meta.path().clone())
            }
            Some(NestedMeta::Meta(Meta::Path(word)))
                if !ROLE.unique.iter().any(|option| word.is_ident(option)) =>
            {
                Self::Unquoted(word.clone())
            }
            _ => Self::Missing,
        }
    }
}
