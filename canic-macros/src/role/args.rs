//! The options of `#[canic::role]`, as they are written.

use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::{Lit, LitStr, Meta, Path};

use crate::crate_path::CratePath;
use crate::diag::Errors;
use crate::handles::HandleArgs;
use crate::options::{self, Given, Known, Options};
use crate::values::{Flag, Gibibytes, PathValue};

pub(super) struct RoleArgs {
    pub(super) crate_path: CratePath,
    /// The role's name, which stands first and without an option's name.
    pub(super) name: Name,
    pub(super) children: Vec<Given<HandleArgs>>,
    pub(super) http: Option<Given<Flag>>,
    pub(super) subscribes: Option<Given<Flag>>,
    pub(super) stable_memory: Option<Given<Gibibytes>>,
}

/// What stands where the name should.
pub(super) enum Name {
    Given(LitStr),
    /// `name = ".."`, as in `#[canic::root]`.
    Labelled(Path),
    /// A word without quotes.
    Bare(Path),
    Missing,
    /// The list could not be read at all.
    Unread,
}

const ROLE: Known = Known {
    once: &["http", "subscribes", "stable_memory", "crate"],
    repeated: &["child"],
};
const CHILD: Known = Known {
    once: &["name", "args"],
    repeated: &[],
};

impl RoleArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let list = options::list(tokens, errors);
        let name = match &list {
            Some(items) => Name::of(items.first()),
            None => Name::Unread,
        };
        let mut items = list.unwrap_or_default();
        if !matches!(name, Name::Missing | Name::Unread) {
            items.remove(0);
        }
        let options = Options::sort(items, &ROLE, errors);
        let crate_path = options.one::<PathValue>("crate", errors);
        Self {
            crate_path: CratePath::new(crate_path.map(|path| path.value.0)),
            name,
            children: options
                .lists("child", "child(name = \"shard\")", errors)
                .into_iter()
                .map(|list| list.map(|tokens| child(tokens, errors)))
                .collect(),
            http: options.one("http", errors),
            subscribes: options.one("subscribes", errors),
            stable_memory: options.one("stable_memory", errors),
        }
    }
}

fn child(tokens: TokenStream, errors: &mut Errors) -> HandleArgs {
    HandleArgs::parse(&Options::parse(tokens, &CHILD, errors), errors)
}

impl Name {
    fn of(first: Option<&NestedMeta>) -> Self {
        match first {
            Some(NestedMeta::Lit(Lit::Str(name))) => Self::Given(name.clone()),
            Some(NestedMeta::Meta(meta)) if meta.path().is_ident("name") => {
                Self::Labelled(meta.path().clone())
            }
            Some(NestedMeta::Meta(Meta::Path(word)))
                if !ROLE.once.iter().any(|option| word.is_ident(option)) =>
            {
                Self::Bare(word.clone())
            }
            _ => Self::Missing,
        }
    }
}
