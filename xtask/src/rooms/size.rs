//! The size of a file: its lines of code, and its long functions.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use serde::Serialize;
use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::tree;

/// A function with more lines, from `fn` to its closing brace, is long.
const LONG: usize = 70;

/// The size of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Lines that are neither blank nor comments.
    pub(super) lines: usize,
    /// Those of them that are compiled for tests only.
    pub(super) test_lines: usize,
    pub(super) long_functions: Vec<LongFunction>,
}

/// A function of more than 70 lines.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct LongFunction {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) lines: usize,
}

/// Measures a file. With `is_test_file` it counts as a test as a whole.
///
/// # Errors
/// When the file is no Rust.
pub(super) fn measure(path: &str, text: &str, is_test_file: bool) -> Result<Size, String> {
    let mut file = tree::parse(path, text)?;
    let mut functions = Functions {
        file: path,
        long: Vec::new(),
    };
    functions.visit_file(&file);
    let tokens: TokenStream = text.parse().map_err(|e| format!("{path}: {e}"))?;
    let lines = lines_of(tokens, text);
    tree::remove_tests(&mut file.items);
    let tested = if is_test_file {
        BTreeSet::new()
    } else {
        lines_of(file.to_token_stream(), text)
    };
    Ok(Size {
        lines: lines.len(),
        test_lines: lines.difference(&tested).count(),
        long_functions: functions.long,
    })
}

/// The lines on which there are tokens, those of doc comments apart.
fn lines_of(tokens: TokenStream, text: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    for token in tokens {
        let span = token.span();
        let source = text.get(span.byte_range()).unwrap_or_default();
        if source.starts_with("//") || source.starts_with("/*") {
            continue;
        }
        if let TokenTree::Group(group) = token {
            lines.insert(group.span_open().start().line);
            lines.extend(lines_of(group.stream(), text));
            lines.insert(group.span_close().end().line);
        } else {
            lines.extend(span.start().line..=span.end().line);
        }
    }
    lines
}

/// The long functions of a file.
struct Functions<'a> {
    file: &'a str,
    long: Vec<LongFunction>,
}

impl Functions<'_> {
    fn function(&mut self, signature: &Signature, body: &Block) {
        let line = signature.span().start().line;
        let lines = body.span().end().line + 1 - line;
        if lines > LONG {
            self.long.push(LongFunction {
                file: self.file.to_string(),
                line,
                name: signature.ident.to_string(),
                lines,
            });
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn comments_blank_lines_and_tests_are_told_apart() {
    let text = "\
//! A file.

/// Documented
/// twice.
fn f() { // here
    g(\"a
       b\");
    /* not
       here */
}

#[test]
fn t() {}
";
    let size = measure("lib.rs", text, false).expect("it is Rust");
    assert_eq!((size.lines, size.test_lines), (6, 2));
    let size = measure("lib.rs", text, true).expect("it is Rust");
    assert_eq!((size.lines, size.test_lines), (6, 6));
}

#[test]
fn a_function_of_more_than_70_lines_is_long() {
    let of = |lines: usize| {
        format!(
            "\nimpl A {{\n  fn f() {{\n{}  }}\n}}",
            "g();\n".repeat(lines)
        )
    };
    let long = |lines| measure("a.rs", &of(lines), false).map(|size| size.long_functions);
    assert_eq!(long(68), Ok(Vec::new()));
    let found = long(69).expect("it is Rust");
    let found = found.first().map(|f| (f.line, f.name.as_str(), f.lines));
    assert_eq!(found, Some((3, "f", 71)));
}
