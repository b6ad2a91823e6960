//! The source file around a use of an attribute: what its expansion can't see and yet has to refuse.
//!
//! An expansion is given its own item. Whether an `impl` block surrounds that item, and which
//! functions stand beside it, only the file says. Where the file can't be read, as in some editors,
//! nothing is refused, and the compiler's own errors remain.

use std::fs;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, File, Ident, ImplItem, Item, ItemFn, TraitItem, Type};

/// The file that has the attribute at hand.
pub(crate) fn file() -> Option<File> {
    if !proc_macro::is_available() {
        return None;
    }
    let path = Span::call_site().unwrap().local_file()?;
    syn::parse_file(&fs::read_to_string(path).ok()?).ok()
}

/// Whether the attribute at hand begins a line, as before an item that nothing surrounds.
pub(crate) fn is_outermost() -> bool {
    proc_macro::is_available() && Span::call_site().unwrap().column() == 1
}

/// Whether a function of that name has an attribute in an `impl` block or a trait, and nowhere else.
pub(crate) fn is_associated(items: &[Item], name: &str, attribute: &[&str]) -> bool {
    let functions = functions(items);
    let mut found = functions
        .iter()
        .filter(|function| *function.name == name && has(function.attributes, attribute))
        .peekable();
    found.peek().is_some() && found.all(|function| function.is_associated)
}

/// A function in a file.
pub(crate) struct Function<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) attributes: &'a [Attribute],
    /// Whether it stands in an `impl` block or a trait.
    pub(crate) is_associated: bool,
}

/// All functions of a file, with those in modules that are written in place.
pub(crate) fn functions(items: &[Item]) -> Vec<Function<'_>> {
    items.iter().flat_map(of_item).collect()
}

fn of_item(item: &Item) -> Vec<Function<'_>> {
    match item {
        Item::Fn(function) => vec![Function {
            name: &function.sig.ident,
            attributes: &function.attrs,
            is_associated: false,
        }],
        Item::Impl(block) => block.items.iter().filter_map(in_block).collect(),
        Item::Trait(item) => item.items.iter().filter_map(in_trait).collect(),
        Item::Mod(module) => match &module.content {
            Some((_, items)) => functions(items),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn in_block(item: &ImplItem) -> Option<Function<'_>> {
    let ImplItem::Fn(function) = item else {
        return None;
    };
    Some(Function {
        name: &function.sig.ident,
        attributes: &function.attrs,
        is_associated: true,
    })
}

fn in_trait(item: &TraitItem) -> Option<Function<'_>> {
    let TraitItem::Fn(function) = item else {
        return None;
    };
    Some(Function {
        name: &function.sig.ident,
        attributes: &function.attrs,
        is_associated: true,
    })
}

/// The functions beside the item of a type that has an attribute of that name.
pub(crate) fn beside<'a>(items: &'a [Item], ty: &Type, attribute: &str) -> Vec<&'a ItemFn> {
    let is_at_hand = items.iter().any(|item| match item {
        Item::Struct(item) => {
            item.ident == ty.to_token_stream().to_string() && has(&item.attrs, &[attribute])
        }
        Item::Impl(item) => *item.self_ty == *ty && has(&item.attrs, &[attribute]),
        _ => false,
    });
    if is_at_hand {
        let functions = items.iter().filter_map(|item| match item {
            Item::Fn(function) => Some(function),
            _ => None,
        });
        return functions.collect();
    }
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) => module.content.as_ref(),
        _ => None,
    });
    modules
        .flat_map(|(_, items)| beside(items, ty, attribute))
        .collect()
}

/// How often a file has a word: as a name, or as a text in quotes.
pub(crate) fn mentions(file: &File, word: &str) -> usize {
    fn within(tokens: TokenStream, word: &str, quoted: &str) -> usize {
        let count = |token| match token {
            TokenTree::Group(group) => within(group.stream(), word, quoted),
            TokenTree::Ident(ident) => usize::from(ident == word),
            TokenTree::Literal(literal) => usize::from(literal.to_string() == quoted),
            TokenTree::Punct(_) => 0,
        };
        tokens.into_iter().map(count).sum()
    }
    within(file.to_token_stream(), word, &format!("{word:?}"))
}

/// Whether one of the attributes ends in one of the names.
pub(crate) fn has(attributes: &[Attribute], names: &[&str]) -> bool {
    attributes.iter().any(|attribute| {
        let last = attribute.path().segments.last();
        last.is_some_and(|last| names.iter().any(|name| last.ident == name))
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn an_endpoint_in_a_block_is_told_from_a_function_of_its_name() {
        let file: File = parse_quote! {
            mod inner {
                impl Jobs {
                    #[canic::query]
                    fn in_block() {}
                    #[query]
                    fn in_both() {}
                    fn in_block_alone() {}
                }
                trait Work {
                    #[canic::update]
                    fn in_trait() {}
                }
            }
            #[canic::query]
            fn in_both() {}
        };
        let names = [
            "in_block",
            "in_both",
            "in_block_alone",
            "in_trait",
            "nowhere",
        ];
        let found = names.map(|name| is_associated(&file.items, name, &["update", "query"]));
        assert_eq!(found, [true, false, false, true, false]);
    }

    #[test]
    fn functions_beside_a_canister_are_those_of_its_module() {
        let file: File = parse_quote! {
            fn outside() {}
            mod inner {
                #[canic::role("worker")]
                struct Worker;
                fn beside() {}
                mod deeper {
                    fn below() {}
                }
            }
        };
        let functions = beside(&file.items, &parse_quote!(Worker), "role");
        let names: Vec<_> = functions.iter().map(|f| f.sig.ident.to_string()).collect();
        assert_eq!(names, ["beside"]);
        assert!(beside(&file.items, &parse_quote!(Worker), "root").is_empty());
    }

    #[test]
    fn a_word_is_mentioned_by_name_and_in_quotes() {
        let file: File = parse_quote! {
            /// init
            #[ic_cdk::update(guard = "init")]
            fn init() {
                initial(|| init())
            }
        };
        assert_eq!(mentions(&file, "init"), 3);
    }
}
