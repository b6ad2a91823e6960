//! The value of `wasm`: where root's build finds a module.

use darling::FromMeta;
use syn::{Expr, Ident, Lit, LitStr, Meta};

use crate::options::Expected;

/// The place of a module.
pub(crate) enum ModuleValue {
    /// A file: a path relative to the manifest, in quotes.
    File(LitStr),
    /// A crate among the dependencies, by its name.
    Crate(Ident),
}

impl FromMeta for ModuleValue {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "the name of a dependency, or the path of a file in quotes",
            example: "worker",
        };
        match expected.expression(meta)? {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(path) => Ok(Self::File(path.clone())),
                other => Err(expected.error(meta, other)),
            },
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => Ok(Self::Crate(name.clone())),
                None => Err(expected.error(meta, path)),
            },
            other => Err(expected.error(meta, other)),
        }
    }
}
