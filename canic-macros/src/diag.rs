//! Collected errors: the author sees all mistakes of one attribute at once.
//!
//! darling's accumulator keeps one span per error; a stable compiler narrows that span to its
//! first token. `Errors` keeps both ends, so that the compiler underlines a whole type or
//! receiver. It can also point at the two sites of a conflict.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors in one use of a macro.
///
/// Parsing and checking go on after an error; [`Errors::finish`] decides.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Reports `message` at the tokens of `site`.
    pub(crate) fn report(&mut self, site: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(site, message));
    }

    /// Reports `message` at a span, for a mistake that has no tokens of its own.
    pub(crate) fn report_at(&mut self, span: Span, message: impl Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// Reports a conflict at both of its sites.
    pub(crate) fn report_conflict(
        &mut self,
        (site, message): (impl ToTokens, impl Display),
        (earlier, note): (impl ToTokens, impl Display),
    ) {
        self.report(site, message);
        self.report(earlier, note);
    }

    /// The value of a result; an error is collected.
    pub(crate) fn handle<T, E: Into<syn::Error>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(error.into())).ok()
    }

    /// The checked model, if no error was reported.
    ///
    /// # Errors
    ///
    /// The reported errors, as `compile_error!` items.
    ///
    /// # Panics
    ///
    /// If a check yields neither a model nor an error, which would be a bug of this crate.
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

/// The tail of a message about an unknown word: the most similar known word, or all of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    match closest(word, known) {
        Some(closest) => format!("did you mean `{closest}`?"),
        None => format!("known are {}", quoted_list(known)),
    }
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn quoted_list(words: &[impl AsRef<str>]) -> String {
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
    const MIN_SIMILARITY: f64 = 0.8;
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate))
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_gets_a_suggestion() {
        assert_eq!(
            suggestion("cycels", &["max", "cycles"]),
            "did you mean `cycles`?"
        );
    }

    #[test]
    fn a_far_miss_gets_the_list() {
        assert_eq!(
            suggestion("colour", &["max", "min", "pool"]),
            "known are `max`, `min` and `pool`"
        );
    }

    #[test]
    #[should_panic(expected = "without an error")]
    fn a_lost_error_is_noticed() {
        let _ = Errors::default().finish::<()>(None);
    }
}
