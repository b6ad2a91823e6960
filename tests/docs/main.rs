//! The pages of `docs` and the README: every Rust block compiles, every console block is run by a
//! test or marked, every link leads somewhere, and the book has every page.

#[path = "../nested/mod.rs"]
mod nested;
mod page;
mod workspace;

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    page::{Block, Page, REPOSITORY, pages_of_docs},
    workspace::workspaces,
};

/// Pages whose Rust blocks are doctests of a crate, since they need more than canic: each with the
/// file that includes it.
const DOCTESTS: [(&str, &str); 2] = [
    ("docs/replica.md", "canic-replica/src/lib.rs"),
    ("docs/testing.md", "canic-testing/src/lib.rs"),
];

/// Pages whose console blocks are run as they are written, each with the test that does it. A
/// block that no test runs is marked `console,ignore`.
const RUN: [(&str, &str); 1] = [("docs/first-fleet.md", "canic-cli/tests/cli/chapter.rs")];

/// The languages of other blocks.
const OTHER_LANGUAGES: [&str; 5] = ["candid", "diff", "text", "toml", "yaml"];

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn is_doctest(page: &Page) -> bool {
    DOCTESTS.iter().any(|(path, _)| *path == page.path)
}

#[test]
fn every_rust_block_compiles() {
    // In the README `ignore` keeps rustdoc from compiling the blocks by itself.
    let mut pages = pages_of_docs();
    pages.push(Page::read("README.md"));
    let pages = pages.iter().filter(|page| !is_doctest(page));
    let checked = workspaces(pages).into_iter().map(|one| one.check());
    let errors: Vec<String> = checked.filter_map(Result::err).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn pages_that_are_doctests_are_included_by_their_crates() {
    for page in pages_of_docs() {
        let crates = DOCTESTS.iter().filter(|(path, _)| *path == page.path);
        for (path, source) in crates {
            let included = format!("include_str!(\"../../{path}\")");
            assert!(
                file(source).contains(&included),
                "{source} lacks {included}"
            );
        }
    }
}

/// The fault of a block of a page, if it has one.
fn fault(page: &Page, block: &Block) -> Option<String> {
    let runner = RUN.iter().find(|(path, _)| *path == page.path);
    match block.words.first().map_or("", |word| word) {
        "rust" if !block.is_marked("ignore") => None,
        "rust" => Some("no test compiles a block that is marked".to_string()),
        "console" if block.is_marked("ignore") => None,
        "console" => match runner {
            None => Some("no test runs it: add one to `RUN`, or mark it `ignore`".to_string()),
            Some((path, test)) => {
                let is_read = file(test).contains(path);
                (!is_read).then(|| format!("{test} does not read {path}"))
            }
        },
        "" => Some("it names no language".to_string()),
        other if OTHER_LANGUAGES.contains(&other) => None,
        other => Some(format!("what is `{other}`?")),
    }
}

#[test]
fn every_block_is_compiled_run_or_marked() {
    let mut faults = Vec::new();
    for page in pages_of_docs() {
        for block in page.blocks() {
            if let Some(fault) = fault(&page, &block) {
                faults.push(format!("{}:{}: {fault}", page.path, block.line));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The pages with links of their own.
fn pages_with_links() -> Vec<Page> {
    let others = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
    let examples =
        ["root", "worker", "club", "page"].map(|name| format!("examples/{name}/README.md"));
    let others = others.into_iter().map(Page::read);
    let examples = examples.iter().map(|path| Page::read(path));
    pages_of_docs()
        .into_iter()
        .chain(others)
        .chain(examples)
        .collect()
}

/// Says why a link is dead.
fn dead(page: &Page, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.is_empty() {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        page.target(Path::new(&page.path).file_name()?.to_str()?)
    } else {
        page.target(path)
    };
    if !target.exists() {
        return Some("there is no such file".to_string());
    }
    if anchor.is_empty() {
        return None;
    }
    let target = Page {
        path: String::new(),
        text: fs::read_to_string(target).ok()?,
    };
    let anchors = target.anchors();
    (!anchors.iter().any(|known| known == anchor)).then(|| "there is no such heading".to_string())
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    for page in pages_with_links() {
        for (line, link) in page.links() {
            if let Some(fault) = dead(&page, link) {
                faults.push(format!("{}:{line}: {link}: {fault}", page.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// mdBook builds what the summary names, and nothing else.
#[test]
fn the_book_has_every_page_once() {
    let summary = Page::read("docs/SUMMARY.md");
    let links = summary.links();
    let named: Vec<&str> = links.iter().map(|(_, link)| *link).collect();
    let named: Vec<&str> = named.into_iter().filter(|link| !link.is_empty()).collect();
    let unique: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(named.len(), unique.len(), "{named:?}");
    let pages = pages_of_docs();
    let files = pages
        .iter()
        .map(|page| page.path.trim_start_matches("docs/"));
    let files: BTreeSet<&str> = files.filter(|name| *name != "SUMMARY.md").collect();
    assert_eq!(unique, files, "docs/SUMMARY.md, and the files");
}
