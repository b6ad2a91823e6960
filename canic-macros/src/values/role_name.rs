//! The name of a role.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::LitStr;

use crate::{
    diag::{Errors, quoted_list},
    hooks::Hook,
};

/// The most bytes that a role's name may have.
const MAX_BYTES: usize = 40;

/// A well-formed role name and where it was written.
#[derive(Clone)]
pub(crate) struct RoleName(LitStr);

impl RoleName {
    /// Checks the form of a name, and that it is neither `root` nor that of a hook or keyword.
    pub(crate) fn check(text: &LitStr, errors: &mut Errors) -> Option<Self> {
        match name_error(&text.value()) {
            Some(error) => {
                errors.report(text, error);
                None
            }
            None => Some(Self(text.clone())),
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.value()
    }

    /// The name of the role function.
    pub(crate) fn function(&self) -> Ident {
        let name = self.text().replace('-', "_");
        let plain = syn::parse_str::<Ident>(&name);
        // Names that do not parse are keywords; those that cannot be raw are refused by `check`.
        plain.unwrap_or_else(|_| Ident::new_raw(&name, Span::call_site()))
    }
}

impl ToTokens for RoleName {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

fn name_error(name: &str) -> Option<String> {
    form_error(name).or_else(|| reservation_error(name))
}

fn form_error(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a role needs a name, such as \"worker\"".to_owned());
    }
    if name.len() > MAX_BYTES {
        return Some(format!(
            "a role's name has at most {MAX_BYTES} bytes, this one has {}",
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

fn reservation_error(name: &str) -> Option<String> {
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
            quoted_list(&hooks)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_names_are_accepted() {
        for name in [
            "worker",
            "a",
            "user-7",
            "order_book",
            "type",
            &"x".repeat(40),
        ] {
            assert_eq!(name_error(name), None, "{name}");
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
            assert!(name_error(name).is_some(), "{name}");
        }
    }
}
