//! The name of a role.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::LitStr;

use crate::diag::{Errors, listed};
use crate::hooks::Hook;

/// The most bytes that a role's name may have.
const LONGEST: usize = 40;

/// A well-formed role name and where it was written.
#[derive(Clone)]
pub(crate) struct RoleName(LitStr);

impl RoleName {
    /// A name of its own: `root` and what would clash with generated functions is refused.
    pub(crate) fn check(text: &LitStr, errors: &mut Errors) -> Option<Self> {
        let name = text.value();
        let fault = shape(&name).or_else(|| reserved(&name));
        match fault {
            Some(fault) => {
                errors.at(text, fault);
                None
            }
            None => Some(Self(text.clone())),
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.value()
    }

    /// The name of the generated function that stands for the role.
    pub(crate) fn function(&self) -> Ident {
        let name = self.text().replace('-', "_");
        let plain = syn::parse_str::<Ident>(&name);
        // What remains are keywords; those that cannot be raw are reserved above.
        plain.unwrap_or_else(|_| Ident::new_raw(&name, proc_macro2::Span::call_site()))
    }
}

impl ToTokens for RoleName {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

fn shape(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a role needs a name, such as \"worker\"".to_owned());
    }
    if name.len() > LONGEST {
        return Some(format!(
            "a role's name has at most {LONGEST} bytes, this one has {}",
            name.len()
        ));
    }
    let mut bytes = name.bytes();
    let well_formed = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        });
    (!well_formed).then(|| {
        "a role's name starts with a letter a-z and goes on with a-z, 0-9, `_` or `-`".to_owned()
    })
}

fn reserved(name: &str) -> Option<String> {
    if name == "root" {
        return Some("`root` is the name of the fleet's root; a role needs another one".to_owned());
    }
    if ["self", "super", "crate"].contains(&name) {
        return Some(format!(
            "`{name}` is a keyword that no function can be named after; a role needs another name"
        ));
    }
    let hooks = Hook::ALL.map(Hook::name);
    hooks.contains(&name).then(|| {
        format!(
            "`{name}` is the name of a hook; a role needs another one than {}",
            listed(&hooks)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(name: &str) -> bool {
        shape(name).or_else(|| reserved(name)).is_none()
    }

    #[test]
    fn names_of_the_right_shape_are_accepted() {
        for name in [
            "worker",
            "a",
            "user-7",
            "order_book",
            "type",
            &"x".repeat(40),
        ] {
            assert!(accepts(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "7up",
            "Worker",
            "_w",
            "-w",
            "a b",
            "größe",
            "root",
            "self",
            "crate",
            "init",
            &"x".repeat(41),
        ] {
            assert!(!accepts(name), "{name}");
        }
    }
}
