//! The source file around a use of an attribute: what its expansion can't see and has to refuse.
//!
//! An expansion is given its own item. Whether an `impl` block surrounds that item, and which
//! functions stand beside it, only the file says. Where the file can't be read, as in some editors,
//! nothing is refused, and the compiler's own errors remain.

use std::fs;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, File, Ident, ImplItem, Item, Signature, TraitItem, Type};

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

/// Whether a function of that name has an attribute in an `impl` block or a trait, and only there.
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
    /// Whether it takes `self`.
    has_receiver: bool,
}

impl<'a> Function<'a> {
    fn new(signature: &'a Signature, attributes: &'a [Attribute], is_associated: bool) -> Self {
        Self {
            name: &signature.ident,
            attributes,
            is_associated,
            has_receiver: signature.receiver().is_some(),
        }
    }
}

/// All functions of a file, with those in modules that are written in place.
pub(crate) fn functions(items: &[Item]) -> Vec<Function<'_>> {
    items.iter().flat_map(of_item).collect()
}

fn of_item(item: &Item) -> Vec<Function<'_>> {
    match item {
        Item::Fn(function) => vec![Function::new(&function.sig, &function.attrs, false)],
        Item::Impl(block) => {
            let functions = block.items.iter().filter_map(|item| match item {
                ImplItem::Fn(function) => Some(Function::new(&function.sig, &function.attrs, true)),
                _ => None,
            });
            functions.collect()
        }
        Item::Trait(item) => {
            let functions = item.items.iter().filter_map(|item| match item {
                TraitItem::Fn(function) => {
                    Some(Function::new(&function.sig, &function.attrs, true))
                }
                _ => None,
            });
            functions.collect()
        }
        Item::Mod(module) => match &module.content {
            Some((_, items)) => functions(items),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The functions outside of the item with an attribute of that name, in its module: those beside
/// it, and those without `self` in other `impl` blocks of its type.
pub(crate) fn outside<'a>(items: &'a [Item], ty: &Type, attribute: &str) -> Vec<Function<'a>> {
    let is_at_hand = |item: &Item| match item {
        Item::Struct(item) => {
            item.ident == ty.to_token_stream().to_string() && has(&item.attrs, &[attribute])
        }
        Item::Impl(item) => *item.self_ty == *ty && has(&item.attrs, &[attribute]),
        _ => false,
    };
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) => module.content.as_ref(),
        _ => None,
    });
    if !items.iter().any(is_at_hand) {
        return modules
            .flat_map(|(_, items)| outside(items, ty, attribute))
            .collect();
    }
    let others = items.iter().filter(|item| match item {
        Item::Fn(_) => true,
        Item::Impl(block) => block.trait_.is_none() && *block.self_ty == *ty && !is_at_hand(item),
        _ => false,
    });
    others
        .flat_map(of_item)
        .filter(|function| !function.has_receiver)
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
    fn functions_outside_of_a_canister_are_those_of_its_module_and_type() {
        let file: File = parse_quote! {
            fn elsewhere() {}
            mod inner {
                #[canic::role("worker")]
                impl Worker {
                    fn inside() {}
                }
                impl Worker {
                    fn in_other_block() {}
                    fn method(&self) {}
                }
                impl Default for Worker {
                    fn default() -> Self {}
                }
                impl Other {
                    fn of_another() {}
                }
                fn beside() {}
                mod deeper {
                    fn below() {}
                }
            }
        };
        let functions = outside(&file.items, &parse_quote!(Worker), "role");
        let names: Vec<_> = functions.iter().map(|f| f.name.to_string()).collect();
        assert_eq!(names, ["in_other_block", "beside"]);
        assert!(outside(&file.items, &parse_quote!(Worker), "root").is_empty());
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
