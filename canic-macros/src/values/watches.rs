//! What a role watches: other roles, and the releases of their members.

use darling::{FromMeta, ast::NestedMeta};
use syn::{Lit, LitStr, Meta, Path};

use crate::{
    diag::suggestion,
    options::{list_of, path_text},
};

/// The word beside the roles.
const RELEASES: &str = "releases";

/// The items of `watches(..)`, as they are written.
pub(crate) struct Watches {
    pub(crate) roles: Vec<LitStr>,
    /// Each `releases`.
    pub(crate) releases: Vec<Path>,
}

impl FromMeta for Watches {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let (name, list) = list_of(meta)?;
        let mut watches = Self {
            roles: Vec::new(),
            releases: Vec::new(),
        };
        let mut errors = darling::Error::accumulator();
        for item in NestedMeta::parse_meta_list(list.tokens.clone())? {
            match item {
                NestedMeta::Lit(Lit::Str(role)) => watches.roles.push(role),
                NestedMeta::Meta(Meta::Path(word)) if word.is_ident(RELEASES) => {
                    watches.releases.push(word);
                }
                NestedMeta::Meta(Meta::Path(word)) => {
                    let text = path_text(&word);
                    let message = match suggestion(&text, &[RELEASES]) {
                        near if near.ends_with('?') => format!("unknown word `{text}`; {near}"),
                        _ => format!(
                            "a role stands in quotes: `{name}(\"{text}\")`; the only word \
                             without them is `{RELEASES}`"
                        ),
                    };
                    errors.push(darling::Error::custom(message).with_span(&word));
                }
                other => errors.push(
                    darling::Error::custom(format!(
                        "expected roles in quotes, and the word `{RELEASES}`: \
                         `{name}(\"..\", {RELEASES})`"
                    ))
                    .with_span(&other),
                ),
            }
        }
        errors.finish_with(watches)
    }
}
