//! Errors, collected so that the author sees all of them at once.
//!
//! darling's accumulator keeps one span per error, which on a stable compiler is the first token of what it points
//! at. This one keeps both ends, so that a whole type or receiver is underlined, and can point at the two sites of a
//! conflict.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// What is wrong with one use of a macro. Parsing and checking go on after an error; [`Errors::finish`] decides.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Reports `message` at the tokens of `site`.
    pub(crate) fn at(&mut self, site: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(site, message));
    }

    /// Reports `message` at a span, for what has no tokens of its own.
    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// Reports a conflict at both of its sites.
    pub(crate) fn conflict(
        &mut self,
        (site, message): (impl ToTokens, impl Display),
        (earlier, note): (impl ToTokens, impl Display),
    ) {
        self.at(site, message);
        self.at(earlier, note);
    }

    /// Takes the value out of a result, or its errors in.
    pub(crate) fn take<T, E: Into<syn::Error>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(error.into())).ok()
    }

    /// The checked model, if there was no error; the errors as `compile_error!` items otherwise.
    ///
    /// A check that yields no model has said why: to lose an error would be a bug of this crate.
    pub(crate) fn finish<T>(self, model: Option<T>) -> Result<T, TokenStream> {
        match model {
            Some(model) if self.0.is_empty() => Ok(model),
            _ => {
                assert!(!self.0.is_empty(), "a check failed without an error");
                Err(self.0.iter().map(syn::Error::to_compile_error).collect())
            }
        }
    }
}

/// The tail of a message about an unknown word: the likeliest of the known ones, or all of them.
pub(crate) fn instead_of(word: &str, known: &[&str]) -> String {
    match closest(word, known) {
        Some(closest) => format!("did you mean `{closest}`?"),
        None => format!("known are {}", listed(known)),
    }
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn listed(words: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_gets_a_suggestion() {
        assert_eq!(
            instead_of("cycels", &["max", "cycles"]),
            "did you mean `cycles`?"
        );
    }

    #[test]
    fn a_far_miss_gets_the_list() {
        assert_eq!(
            instead_of("colour", &["max", "min", "pool"]),
            "known are `max`, `min` and `pool`"
        );
    }

    #[test]
    #[should_panic(expected = "without an error")]
    fn a_lost_error_is_noticed() {
        let _ = Errors::default().finish::<()>(None);
    }
}
