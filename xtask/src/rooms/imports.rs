//! The imports between the files of one crate.
//!
//! A file imports another one if a path in it resolves to an item of that file. Such paths stand in
//! `use` items, in types, expressions and patterns, and in the tokens that a macro is called with.
//! A folder's `mod.rs` re-exports its own children without importing them.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    ItemMod, ItemUse, Macro, Path, VisRestricted,
    visit::{self, Visit},
};

use super::tree::{ModuleId, Target, Tree, is_public, leaves, name_of};

/// Pairs of files, and the names that the first one takes from the second one.
pub(super) type Imports = BTreeMap<(String, String), BTreeSet<String>>;

/// Macros whose tokens are code of another crate.
const TEMPLATES: [&str; 4] = [
    "quote",
    "quote_spanned",
    "parse_quote",
    "parse_quote_spanned",
];

/// The imports of all files of a crate.
pub(super) fn imports(tree: &Tree) -> Imports {
    let mut imports = Imports::new();
    for (module, file) in &tree.files {
        let mut reader = Reader {
            tree,
            module: *module,
            imports: &mut imports,
        };
        reader.visit_file(file);
    }
    imports
}

struct Reader<'a> {
    tree: &'a Tree,
    /// The module whose items are being read.
    module: ModuleId,
    imports: &'a mut Imports,
}

impl Reader<'_> {
    fn path(&mut self, path: &[String]) {
        let (module, name) = match self.tree.resolve(self.module, path) {
            Some((Target::Item(module), name)) => (module, name),
            // A name without `::` may as well be a variable. Paths through a folder resolve to the
            // file that they lead to.
            Some((Target::Module(module), name))
                if path.len() > 1 && !self.tree.has_children(module) =>
            {
                (module, name)
            }
            _ => return,
        };
        let from = &self.tree.modules[self.module].file;
        let to = &self.tree.modules[module].file;
        if from != to {
            let names = self.imports.entry((from.clone(), to.clone()));
            names.or_default().insert(name.to_string());
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for path in paths_in(tokens) {
            self.path(&path);
        }
    }

    /// Whether a re-export begins with a module that is declared here.
    fn is_own_child(&self, path: &[String]) -> bool {
        let mut names = path.iter().skip_while(|name| *name == "self");
        let first = names.next();
        first.is_some_and(|name| self.tree.child(self.module, name).is_some())
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let (Some((_, items)), Some(child)) = (
            &item.content,
            self.tree.child(self.module, &name_of(&item.ident)),
        ) else {
            return;
        };
        let outer = mem::replace(&mut self.module, child);
        for item in items {
            self.visit_item(item);
        }
        self.module = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for leaf in leaves(item) {
            if !(is_public(item) && self.is_own_child(&leaf.path)) {
                self.path(&leaf.path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            let names: Vec<String> = path.segments.iter().map(|s| name_of(&s.ident)).collect();
            self.path(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        let name = call.path.segments.last().map(|s| name_of(&s.ident));
        if !name.is_some_and(|name| TEMPLATES.contains(&name.as_str())) {
            self.tokens(call.tokens.clone());
        }
    }
}

/// The paths of two names and more in a macro's tokens.
fn paths_in(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    paths.push(mem::take(&mut path));
                } else if path.is_empty() {
                    // `::name` is another crate, which no local name is.
                    path.push(String::new());
                }
                path.push(name_of(&ident));
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            other => {
                paths.push(mem::take(&mut path));
                colons = 0;
                if let TokenTree::Group(group) = other {
                    paths.extend(paths_in(group.stream()));
                }
            }
        }
    }
    paths.push(path);
    paths.retain(|path| path.len() > 1);
    paths
}
