//! `cargo xtask width`: the lines that are too long.
//!
//! No line of a tracked Rust, Markdown, TOML, YAML, shell or WebAssembly text file has more than
//! 100 characters. There are three exceptions: rows of Markdown tables, in doc comments, too; lines
//! that hold a word of more than 80 characters (an address, say); and the snapshots of expansions.

use std::{fs, process::Command};

use canic_artifacts as artifacts;

/// Characters in a line, at most.
const LIMIT: usize = 100;

/// A line that holds a longer word can't be broken.
const LONGEST_WORD: usize = 80;

/// The checked files, by the ends of their names.
const EXTENSIONS: [&str; 7] = ["rs", "md", "toml", "yaml", "yml", "sh", "wat"];

/// Folders of files that are written by a program.
const GENERATED: [&str; 1] = ["canic-macros/snapshots/"];

/// Prints the lines that are too long, if there are any.
///
/// # Errors
/// When there are some, or git or a file can't be read.
pub(crate) fn run() -> Result<(), String> {
    let mut total = 0;
    for file in tracked_files()? {
        let path = artifacts::workspace().join(&file);
        // A file that is tracked and deleted has no lines.
        if !is_checked(&file) || !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
        for (line, width) in long_lines(&file, &text) {
            println!("{file}:{line}: {width} characters");
            total += 1;
        }
    }
    match total {
        0 => Ok(()),
        1 => Err(format!("1 line has more than {LIMIT} characters")),
        _ => Err(format!("{total} lines have more than {LIMIT} characters")),
    }
}

fn tracked_files() -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .current_dir(artifacts::workspace())
        .args(["ls-files", "-z"])
        .output()
        .map_err(|e| format!("git can't be run: {e}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git ls-files: {}", message.trim()));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let names = names.split_terminator('\0').map(String::from);
    Ok(names.collect())
}

fn is_checked(file: &str) -> bool {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    EXTENSIONS.contains(&extension) && !GENERATED.iter().any(|folder| file.starts_with(folder))
}

/// The numbers and widths of the lines that are too long.
fn long_lines(file: &str, text: &str) -> Vec<(usize, usize)> {
    let is_row = |line: &str| {
        let line = line.trim_start();
        let doc = ["/// ", "//! "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        let text = if file.ends_with(".md") {
            Some(line)
        } else {
            doc
        };
        text.is_some_and(|text| text.starts_with('|'))
    };
    let is_word_long = |word: &str| word.chars().count() > LONGEST_WORD;
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line, line.chars().count()))
        .filter(|(_, line, width)| {
            *width > LIMIT && !is_row(line) && !line.split_whitespace().any(is_word_long)
        })
        .map(|(number, _, width)| (number, width))
        .collect()
}

#[test]
fn lines_are_measured_in_characters() {
    let text = format!("{}\n{}\n", "ä ".repeat(50), "ä ".repeat(50) + "b");
    assert_eq!(long_lines("a.rs", &text), [(2, 101)]);
}

#[test]
fn rows_of_tables_and_long_words_are_excepted() {
    let row = format!("  | {} |", "cell ".repeat(30));
    assert_eq!(long_lines("a.md", &row), []);
    assert_eq!(long_lines("a.rs", &row), [(1, 156)]);
    let row = format!("/// {}", row.trim_start());
    assert_eq!(long_lines("a.rs", &row), []);
    let address = format!(
        "See <https://example.org/{}> for more of it.",
        "a".repeat(70)
    );
    assert_eq!(long_lines("a.md", &address), []);
}

#[test]
fn snapshots_and_other_kinds_of_files_are_not_checked() {
    let files = [
        "src/lib.rs",
        ".ci/run",
        "tests/ui/a.stderr",
        "canic-macros/snapshots/root.rs",
    ];
    assert_eq!(files.map(is_checked), [true, false, false, false]);
}
