//! The modules of one crate, and the names that each of them binds.

use std::collections::BTreeMap;

use syn::{
    Attribute, File, Ident, ImplItem, Item, ItemMod, ItemUse, Meta, Token, TraitItem, UseTree,
    Visibility, punctuated::Punctuated, visit::Visit,
};

/// Source files: the path below `src`, with `/`, and the text.
pub(super) type Sources = BTreeMap<String, String>;

/// The position of a module in [`Tree::modules`].
pub(super) type ModuleId = usize;

/// The modules of a crate, without those of its tests.
pub(super) struct Tree {
    /// The crate's name in paths: the library as its binary sees it.
    name: String,
    pub(super) modules: Vec<Module>,
    /// The parsed files without their tests, each with the module it is.
    pub(super) files: Vec<(ModuleId, File)>,
}

/// A module: a file of its own, or a block within the file of another module.
pub(super) struct Module {
    pub(super) file: String,
    parent: Option<ModuleId>,
    names: BTreeMap<String, Vec<Binding>>,
    globs: Vec<Vec<String>>,
}

/// The meaning of a name within a module.
enum Binding {
    Module(ModuleId),
    Item,
    Use(Vec<String>),
}

/// The thing that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Module(ModuleId),
    /// An item that this module defines.
    Item(ModuleId),
}

/// A leaf of a `use` item.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    /// The name that it binds; none for a glob.
    pub(super) name: Option<String>,
}

impl Tree {
    /// Parses a crate from its roots, `lib.rs` and `main.rs`, on.
    ///
    /// # Errors
    /// When a file is missing or is no Rust.
    pub(super) fn parse(package: &str, sources: &Sources) -> Result<Self, String> {
        let mut tree = Self {
            name: package.replace('-', "_"),
            modules: Vec::new(),
            files: Vec::new(),
        };
        for root in ["lib.rs", "main.rs"] {
            if sources.contains_key(root) {
                tree.add_file(sources, root.to_string(), "", None)?;
            }
        }
        Ok(tree)
    }

    /// Adds the module that is this file. Its children lie in `folder`, which is empty or ends with
    /// `/`.
    fn add_file(
        &mut self,
        sources: &Sources,
        path: String,
        folder: &str,
        parent: Option<ModuleId>,
    ) -> Result<Option<ModuleId>, String> {
        let mut file = parse(&path, &sources[&path])?;
        if is_test(&file.attrs) {
            return Ok(None);
        }
        remove_tests(&mut file.items);
        let module = self.add(path, parent);
        self.bind(sources, module, &file.items, folder)?;
        self.files.push((module, file));
        Ok(Some(module))
    }

    fn add(&mut self, file: String, parent: Option<ModuleId>) -> ModuleId {
        self.modules.push(Module {
            file,
            parent,
            names: BTreeMap::new(),
            globs: Vec::new(),
        });
        self.modules.len() - 1
    }

    /// Binds the names of these items, and adds the modules among them.
    fn bind(
        &mut self,
        sources: &Sources,
        module: ModuleId,
        items: &[Item],
        folder: &str,
    ) -> Result<(), String> {
        let mut uses = Uses::default();
        for item in items {
            if let Item::Mod(child) = item {
                let name = name_of(&child.ident);
                let inner = format!("{folder}{name}/");
                let added = if let Some((_, items)) = &child.content {
                    let added = self.add(self.modules[module].file.clone(), Some(module));
                    self.bind(sources, added, items, &inner)?;
                    Some(added)
                } else {
                    let paths = [format!("{folder}{name}.rs"), format!("{inner}mod.rs")];
                    let found = paths.into_iter().find(|path| sources.contains_key(path));
                    let missing = || format!("{}: no file of `{name}`", self.modules[module].file);
                    let path = found.ok_or_else(missing)?;
                    self.add_file(sources, path, &inner, Some(module))?
                };
                if let Some(added) = added {
                    self.modules[module].bind(name, Binding::Module(added));
                }
            } else {
                if let Some(ident) = ident(item) {
                    self.modules[module].bind(name_of(ident), Binding::Item);
                }
                uses.visit_item(item);
            }
        }
        for leaf in uses.leaves {
            match leaf.name {
                None => self.modules[module].globs.push(leaf.path),
                Some(name) => self.modules[module].bind(name, Binding::Use(leaf.path)),
            }
        }
        Ok(())
    }

    /// The module within `module` that has this name.
    pub(super) fn child(&self, module: ModuleId, name: &str) -> Option<ModuleId> {
        let bound = self.modules[module].names.get(name)?;
        bound.iter().find_map(|binding| match binding {
            Binding::Module(child) => Some(*child),
            _ => None,
        })
    }

    /// Whether modules are declared in this one.
    pub(super) fn has_children(&self, module: ModuleId) -> bool {
        self.modules.iter().any(|m| m.parent == Some(module))
    }

    /// The thing that a path in this module leads to, and its name in the path; none if it is of
    /// another crate.
    pub(super) fn resolve<'a>(
        &'a self,
        module: ModuleId,
        path: &'a [String],
    ) -> Option<(Target, &'a str)> {
        self.walk(module, path, &mut Vec::new())
    }

    fn walk<'a>(
        &'a self,
        module: ModuleId,
        path: &'a [String],
        under_way: &mut Vec<(ModuleId, &'a str, bool)>,
    ) -> Option<(Target, &'a str)> {
        let (first, mut rest) = path.split_first()?;
        let mut named = first.as_str();
        let mut at = match first.as_str() {
            "crate" => Target::Module(self.root_of(module)),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent?),
            name => match self.look_up(module, name, rest.is_empty(), under_way) {
                Some(target) => target,
                // The binary's path to its library.
                None if name == self.name && self.modules[0].file == "lib.rs" => Target::Module(0),
                None => return None,
            },
        };
        while let (Target::Module(module), Some((name, after))) = (at, rest.split_first()) {
            named = name;
            at = match name.as_str() {
                "super" => Target::Module(self.modules[module].parent?),
                name => self.look_up(module, name, after.is_empty(), under_way)?,
            };
            rest = after;
        }
        Some((at, named))
    }

    /// A name in the scope of a module. At the end of a path an item comes before a module.
    fn look_up<'a>(
        &'a self,
        module: ModuleId,
        name: &'a str,
        at_end: bool,
        under_way: &mut Vec<(ModuleId, &'a str, bool)>,
    ) -> Option<Target> {
        let key = (module, name, at_end);
        if under_way.contains(&key) {
            return None;
        }
        under_way.push(key);
        let scope = &self.modules[module];
        let bound = scope.names.get(name).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<Target> = bound
            .iter()
            .filter_map(|binding| match binding {
                Binding::Module(child) => Some(Target::Module(*child)),
                Binding::Item => Some(Target::Item(module)),
                Binding::Use(path) => Some(self.walk(module, path, under_way)?.0),
            })
            .collect();
        if found.is_empty() {
            let globs = scope.globs.iter();
            found.extend(
                globs.filter_map(|path| match self.walk(module, path, under_way)?.0 {
                    Target::Module(other) => self.look_up(other, name, at_end, under_way),
                    Target::Item(_) => None,
                }),
            );
        }
        under_way.pop();
        found.sort_by_key(|target| matches!(target, Target::Module(_)) == at_end);
        found.first().copied()
    }

    fn root_of(&self, module: ModuleId) -> ModuleId {
        let mut at = module;
        while let Some(parent) = self.modules[at].parent {
            at = parent;
        }
        at
    }
}

impl Module {
    fn bind(&mut self, name: String, binding: Binding) {
        self.names.entry(name).or_default().push(binding);
    }
}

/// All `use` items of a module, those in the bodies of functions included.
#[derive(Default)]
struct Uses {
    leaves: Vec<Leaf>,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.leaves.extend(leaves(item));
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}
}

/// Parses one file.
pub(super) fn parse(path: &str, text: &str) -> Result<File, String> {
    syn::parse_file(text).map_err(|e| format!("{path}:{}: {e}", e.span().start().line))
}

/// The paths of a `use` item.
pub(super) fn leaves(item: &ItemUse) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    collect_leaves(&item.tree, Vec::new(), &mut leaves);
    leaves
}

fn collect_leaves(tree: &UseTree, mut path: Vec<String>, leaves: &mut Vec<Leaf>) {
    match tree {
        UseTree::Path(step) => {
            path.push(name_of(&step.ident));
            collect_leaves(&step.tree, path, leaves);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                collect_leaves(tree, path.clone(), leaves);
            }
        }
        UseTree::Glob(_) => leaves.push(Leaf { path, name: None }),
        UseTree::Name(leaf) if leaf.ident == "self" => {
            let name = path.last().cloned();
            leaves.push(Leaf { path, name });
        }
        UseTree::Name(leaf) => {
            let name = name_of(&leaf.ident);
            path.push(name.clone());
            let name = Some(name);
            leaves.push(Leaf { path, name });
        }
        UseTree::Rename(leaf) => {
            if leaf.ident != "self" {
                path.push(name_of(&leaf.ident));
            }
            let name = Some(name_of(&leaf.rename));
            leaves.push(Leaf { path, name });
        }
    }
}

/// Whether a `use` item is visible outside its module.
pub(super) fn is_public(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// An identifier without `r#`.
pub(super) fn name_of(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_string()
}

fn ident(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::TraitAlias(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// Takes out what is compiled for tests only.
pub(super) fn remove_tests(items: &mut Vec<Item>) {
    items.retain(|item| !is_test(attributes(item)));
    for item in items {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    remove_tests(items);
                }
            }
            Item::Impl(block) => block.items.retain(|item| match item {
                ImplItem::Const(item) => !is_test(&item.attrs),
                ImplItem::Fn(item) => !is_test(&item.attrs),
                ImplItem::Type(item) => !is_test(&item.attrs),
                _ => true,
            }),
            Item::Trait(block) => block.items.retain(|item| match item {
                TraitItem::Fn(item) => !is_test(&item.attrs),
                _ => true,
            }),
            _ => {}
        }
    }
}

/// Whether attributes say `#[test]`, `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<Meta>()
                    .is_ok_and(|meta| needs_test(&meta))
    })
}

fn needs_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|parts| parts.iter().any(needs_test)),
        _ => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
