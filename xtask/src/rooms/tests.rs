//! The structure of small crates.

use std::collections::BTreeSet;

use super::{
    imports::imports,
    plan::{Arrow, Plan},
    tree::{Sources, Tree},
};

fn sources(files: &[(&str, &str)]) -> Sources {
    let owned = |(path, text): &(&str, &str)| ((*path).to_string(), (*text).to_string());
    files.iter().map(owned).collect()
}

/// The imports of a crate, as `from -> to: names`.
fn imported(files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree::parse("a-crate", &sources(files)).expect("it is a crate");
    let arrow = |((from, to), names): (&(String, String), &BTreeSet<String>)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{from} -> {to}: {}", names.join(" "))
    };
    imports(&tree).iter().map(arrow).collect()
}

fn plan(package: &str, files: &[(&str, &str)]) -> Plan {
    Plan::of(package, &sources(files)).expect("it is a crate")
}

#[test]
fn files_that_import_each_other_are_a_circle() {
    let plan = plan(
        "a-crate",
        &[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            (
                "a.rs",
                "use crate::b::B; pub struct A; pub fn a(_: crate::d::D) {}",
            ),
            ("b.rs", "pub struct B; fn b() { crate::c::c() }"),
            ("c.rs", "pub fn c() { let _ = super::a::A; }"),
            ("d.rs", "pub struct D;"),
        ],
    );
    assert_eq!(plan.circles, [["a.rs", "b.rs", "c.rs"]]);
    assert_eq!(plan.upward.len(), 1);
    assert_eq!(plan.floors, 3);
    assert!(!plan.holds());
}

#[test]
fn an_import_from_a_lower_floor_to_a_higher_one_runs_up() {
    let files = [
        ("lib.rs", "mod platform; mod operation;"),
        ("platform/mod.rs", "mod ic; pub use ic::now;"),
        ("platform/ic.rs", "pub fn now() {}"),
        ("operation/mod.rs", "fn f() { crate::platform::now() }"),
    ];
    let found = plan("canic-runtime", &files);
    let arrow = Arrow {
        from: "operation/mod.rs".to_string(),
        to: "platform/ic.rs".to_string(),
        names: vec!["now".to_string()],
    };
    assert_eq!(found.upward, [arrow]);
    assert!(found.circles.is_empty());
    // Without declared floors the same import runs down.
    assert!(plan("a-crate", &files).upward.is_empty());
}

#[test]
fn rooms_without_a_floor_and_floors_without_a_room_are_told() {
    let plan = plan(
        "canic-runtime",
        &[
            ("lib.rs", "mod cellar; mod root;"),
            ("cellar.rs", ""),
            ("root.rs", ""),
        ],
    );
    assert_eq!(plan.unknown, ["cellar"]);
    assert!(plan.missing.contains(&"entry".to_string()));
    assert!(!plan.missing.contains(&"root".to_string()));
    assert!(!plan.holds());
}

#[test]
fn rooms_of_a_folder_that_import_each_other_have_an_import_that_runs_up() {
    let plan = plan(
        "a-crate",
        &[
            ("lib.rs", "mod house;"),
            ("house/mod.rs", "mod a; mod b;"),
            ("house/a/mod.rs", "pub mod one; pub mod two;"),
            ("house/a/one.rs", "pub fn one() { crate::house::b::low() }"),
            ("house/a/two.rs", "pub fn two() { crate::house::b::high() }"),
            (
                "house/b.rs",
                "pub fn low() { super::a::two::two() } pub fn high() {}",
            ),
        ],
    );
    assert_eq!(plan.circles, [["house/a/two.rs", "house/b.rs"]]);
    assert_eq!(plan.upward.len(), 1);
    assert_eq!(plan.upward[0].from, "house/b.rs");
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_item() {
    let found = imported(&[
        ("lib.rs", "mod a; mod b; pub use a::Deep;"),
        (
            "a/mod.rs",
            "mod deep; pub(crate) use deep::{Deep, deep as sunken}; pub fn flat() {}",
        ),
        ("a/deep.rs", "pub struct Deep; pub fn deep() {}"),
        (
            "b.rs",
            "use crate::{Deep, a::{self, sunken}}; fn b() { a::flat() }",
        ),
    ]);
    assert_eq!(
        found,
        ["b.rs -> a/deep.rs: Deep sunken", "b.rs -> a/mod.rs: flat"]
    );
}

#[test]
fn a_folder_imports_what_it_uses_of_the_children_that_it_re_exports() {
    let found = imported(&[
        ("lib.rs", "mod a;"),
        (
            "a/mod.rs",
            "mod b; mod c; pub use b::B; use self::c::C; pub fn a(_: B, _: C) {}",
        ),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "pub struct C;"),
    ]);
    assert_eq!(found, ["a/mod.rs -> a/b.rs: B", "a/mod.rs -> a/c.rs: C"]);
}

#[test]
fn globs_and_inline_modules_are_seen_through() {
    let found = imported(&[
        ("lib.rs", "mod a; mod b; pub use a::*;"),
        (
            "a.rs",
            "pub mod inner { pub enum Kind { One } pub fn out() { super::near() } } fn near() {}",
        ),
        (
            "b.rs",
            "use crate::inner::Kind::{self, One}; fn b() -> Kind { One }",
        ),
    ]);
    assert_eq!(found, ["b.rs -> a.rs: Kind One"]);
}

#[test]
fn paths_in_the_tokens_of_a_macro_count_and_templates_do_not() {
    let found = imported(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub fn a() -> u8 { 1 }"),
        (
            "b.rs",
            "pub fn b() { println!(\"{}\", crate::a::a()); assert!(super::c::C == ::c::C) }",
        ),
        (
            "c.rs",
            "pub const C: u8 = 1; fn c() { quote! { crate::a::a() } }",
        ),
    ]);
    assert_eq!(found, ["b.rs -> a.rs: a", "b.rs -> c.rs: C"]);
}

#[test]
fn tests_import_nothing() {
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod samples;"),
        (
            "a.rs",
            "pub fn a() {} #[cfg(all(test, unix))] mod tests { use crate::b::b; }",
        ),
        (
            "b.rs",
            "pub fn b() {} #[test] fn t() { crate::a::a() } #[cfg(test)] use crate::a::a;",
        ),
        ("samples.rs", "use crate::a::a;\npub fn sample() {}"),
    ];
    assert_eq!(imported(&files), Vec::<String>::new());
    let plan = plan("a-crate", &files);
    assert_eq!((plan.files, plan.lines, plan.test_lines), (4, 5, 2));
}

#[test]
fn a_binary_imports_its_library() {
    let found = imported(&[
        ("lib.rs", "pub mod a;"),
        ("a.rs", "pub fn a() {}"),
        ("main.rs", "use a_crate::a::a; fn main() { a() }"),
    ]);
    assert_eq!(found, ["main.rs -> a.rs: a"]);
}

#[test]
fn a_missing_file_is_named() {
    let failed = Tree::parse("a-crate", &sources(&[("lib.rs", "mod gone;")]));
    assert_eq!(failed.err(), Some("lib.rs: no file of `gone`".to_string()));
}
