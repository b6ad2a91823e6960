//! The documentation of the macros names every option: an editor shows it where the attribute
//! stands.

use crate::{endpoint, options::OptionNames, role, root};

/// The documentation of one macro, up to its signature.
fn page(signature: &str) -> String {
    let file = include_str!("lib.rs");
    let lines: Vec<&str> = file.lines().collect();
    let end = lines.iter().position(|line| line.starts_with(signature));
    let end = end.unwrap_or_else(|| panic!("no macro {signature}"));
    let is_part = |line: &&&str| line.starts_with("///") || line.starts_with("#[");
    let mut page: Vec<&str> = lines[..end]
        .iter()
        .rev()
        .take_while(is_part)
        .copied()
        .collect();
    page.reverse();
    page.join("\n")
}

/// The table of options below a heading.
fn table<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(heading);
    let start = start.unwrap_or_else(|| panic!("no heading {heading}")) + heading.len();
    let rest = &page[start..];
    let rest = &rest[rest.find("/// |").expect("a table")..];
    &rest[..rest.find("\n///\n").unwrap_or(rest.len())]
}

/// The blocks of code below a heading, up to the next heading.
fn blocks(page: &str, heading: &str) -> String {
    let start = page.find(heading);
    let start = start.unwrap_or_else(|| panic!("no heading {heading}")) + heading.len();
    let (mut blocks, mut is_inside) = (String::new(), false);
    for line in page[start..].lines() {
        if line.starts_with("/// ```") {
            is_inside = !is_inside;
        } else if is_inside {
            blocks += line;
            blocks += "\n";
        } else if line.starts_with("/// #") {
            break;
        }
    }
    blocks
}

/// Each option stands in a block of code.
fn shows(blocks: &str, names: &OptionNames) {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<&str> = blocks.split(|c| !is_letter(c)).collect();
    for name in [names.unique, names.repeatable].concat() {
        assert!(words.contains(&name), "no example of `{name}` in\n{blocks}");
    }
}

/// Each option has a row that begins with it, and each row an option.
fn documents(table: &str, names: &OptionNames) {
    let known = [names.unique, names.repeatable].concat();
    let rows = table.lines().skip(2).map(|row| {
        let cell = row.trim_start_matches("/// | `");
        let end = cell.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        &cell[..end.unwrap_or(cell.len())]
    });
    let rows: Vec<&str> = rows.filter(|name| !name.is_empty()).collect();
    for name in &known {
        assert!(rows.contains(name), "no row for `{name}` in\n{table}");
    }
    for row in &rows {
        assert!(known.contains(row), "`{row}` is no option, in\n{table}");
    }
}

#[test]
fn the_page_of_a_root_names_every_option() {
    let page = page("pub fn root(");
    let lists = [
        ("/// # Options", root::args::ROOT),
        ("/// ## `pool(..)`", root::args::POOL),
        ("/// ## `refuel(..)`", root::args::REFUEL),
        ("/// ## `role(..)`", root::args::ROLE),
        ("/// ## `fund(..)` in `role(..)`", root::args::FUND),
        ("/// ### `rollout(..)`", root::rollout::ROLLOUT),
    ];
    for (heading, names) in lists {
        documents(table(&page, heading), &names);
        shows(&blocks(&page, heading), &names);
    }
}

#[test]
fn the_page_of_a_role_names_every_option() {
    let page = page("pub fn role(");
    let lists = [
        ("/// # Options", role::args::ROLE),
        ("/// ## `child(..)`", role::args::CHILD),
    ];
    for (heading, names) in lists {
        documents(table(&page, heading), &names);
        shows(&blocks(&page, heading), &names);
    }
}

#[test]
fn the_pages_of_endpoints_name_every_option() {
    let [update, query] = ["pub fn update(", "pub fn query("].map(page);
    let both = [
        table(&update, "/// # Options"),
        // Without the head of the second table.
        &table(&query, "/// # Options")
            .lines()
            .skip(2)
            .collect::<Vec<_>>()
            .join("\n"),
    ];
    documents(&both.join("\n"), &endpoint::args::ENDPOINT);
    // The example of a query stands above its options.
    let examples = blocks(&update, "/// # Options") + &blocks(&query, "/// ");
    shows(&examples, &endpoint::args::ENDPOINT);
}
