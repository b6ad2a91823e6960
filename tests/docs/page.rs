//! A page of the documentation: its blocks of code, its headings, and its links.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of the whole project.
pub(crate) const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A page, with its path from the project's folder.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A block of code, fenced by three backticks.
pub(crate) struct Block {
    /// The line of the page on which the fence opens, from 1.
    pub(crate) line: usize,
    /// The words behind the fence: a language, and marks.
    pub(crate) words: Vec<String>,
    /// The file that the line before the block names.
    pub(crate) file: Option<String>,
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn is(&self, language: &str) -> bool {
        self.words.first().is_some_and(|word| word == language)
    }

    pub(crate) fn is_marked(&self, mark: &str) -> bool {
        self.words.iter().skip(1).any(|word| word == mark)
    }
}

/// The pages of `docs`, in the order of their names.
pub(crate) fn pages_of_docs() -> Vec<Page> {
    let folder = Path::new(REPOSITORY).join("docs");
    let files = fs::read_dir(folder).expect("there is a folder `docs`");
    let mut names: Vec<String> = files
        .map(|file| file.expect("it can be read").file_name())
        .map(|name| name.into_string().expect("a name in Unicode"))
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    let paths = names.iter().map(|name| format!("docs/{name}"));
    paths.map(|path| Page::read(&path)).collect()
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(Path::new(REPOSITORY).join(path));
        Self {
            path: path.to_string(),
            text: text.unwrap_or_else(|e| panic!("{path}: {e}")),
        }
    }

    /// The page's name: that of its file without the extension.
    pub(crate) fn name(&self) -> String {
        let stem = Path::new(&self.path).file_stem().expect("a file");
        stem.to_string_lossy().to_lowercase()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut before = "";
        let mut lines = (1..).zip(self.text.lines());
        while let Some((line, text)) = lines.next() {
            let Some(words) = text.trim_start().strip_prefix("```") else {
                before = text;
                continue;
            };
            let indent = text.len() - text.trim_start().len();
            let inside = lines.by_ref().map(|(_, text)| text);
            let inside = inside.take_while(|text| text.trim() != "```");
            let inside = inside.map(|text| text.get(indent..).unwrap_or(""));
            blocks.push(Block {
                line,
                words: words.split(',').map(|word| word.trim().into()).collect(),
                file: file_named(before),
                text: inside.flat_map(|line| [line, "\n"]).collect(),
            });
        }
        blocks
    }

    /// The lines outside of blocks.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_inside = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_inside ^= is_fence;
            !is_inside && !is_fence
        })
    }

    /// Each link `[..](target)` with its line.
    pub(crate) fn links(&self) -> Vec<(usize, &str)> {
        let links_of = |line| {
            str::split(line, "](").skip(1).filter_map(|rest| {
                // A link that goes on in the next line can't be followed: no file has this name.
                rest.find(')').map_or(Some("(open)"), |end| rest.get(..end))
            })
        };
        let lines = self.prose();
        lines
            .flat_map(|(number, line)| links_of(line).map(move |link| (number, link)))
            .collect()
    }

    /// The anchors that GitHub and mdBook make of the headings.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter_map(|(_, line)| {
            let text = line.trim_start_matches('#');
            (text.len() < line.len()).then(|| text.trim())
        });
        headings.map(anchor).collect()
    }

    /// The file to which a link of this page leads.
    pub(crate) fn target(&self, link: &str) -> PathBuf {
        let page = Path::new(REPOSITORY).join(&self.path);
        page.parent().expect("a folder").join(link)
    }
}

/// The name of a file, in backticks at the beginning of a line: `` `worker/src/lib.rs`: what ``.
fn file_named(line: &str) -> Option<String> {
    let (name, _) = line.strip_prefix('`')?.split_once('`')?;
    let is_file = name.contains('.') && !name.contains(char::is_whitespace);
    is_file.then(|| name.to_string())
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    });
    kept.collect()
}

#[test]
fn blocks_headings_and_links_are_found() {
    let page = Page {
        path: "docs/a.md".to_string(),
        text: "# A page, `canic`'s\n`b/src/lib.rs`: what\n```rust,ignore\nfn b() {}\n\n```\n\
               A [link](b.md#c-d) and [another](#e).\n- one\n  ```console\n  $ [no](link)\n  ```\n"
            .to_string(),
    };
    assert_eq!(page.anchors(), ["a-page-canics"]);
    assert_eq!(page.links(), [(7, "b.md#c-d"), (7, "#e")]);
    let blocks = page.blocks();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0].file.as_deref(), Some("b/src/lib.rs"));
    assert_eq!(blocks[0].text, "fn b() {}\n\n");
    assert!(blocks[0].is("rust") && blocks[0].is_marked("ignore"));
    assert_eq!(blocks[1].text, "$ [no](link)\n");
    assert_eq!((blocks[1].line, &blocks[1].file), (9, &None));
}
