//! The sources of a module: is one of them newer than the module?
//!
//! Beside `worker.wasm` cargo writes `worker.d`, which lists all sources that went into it, those
//! of its path dependencies included. A module that was copied or compressed has no such file.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The sources of the module at this path; none if they are not known.
pub(super) fn of(module: &Path) -> Vec<PathBuf> {
    let list = fs::read_to_string(module.with_extension("d")).unwrap_or_default();
    // Sources of a path that is relative to an unknown folder are left out.
    let sources = in_list(&list).into_iter();
    sources.filter(|source| source.is_absolute()).collect()
}

/// A source that changed after the module was built, or that is gone.
pub(super) fn newer<'a>(module: &Path, sources: &'a [PathBuf]) -> Option<&'a Path> {
    let built = modified(module)?;
    let changed = |source: &&PathBuf| modified(source).is_none_or(|changed| changed > built);
    sources.iter().find(changed).map(PathBuf::as_path)
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|file| file.modified()).ok()
}

/// The paths after the colon of a list in make's syntax, where a backslash stands before a space.
fn in_list(list: &str) -> Vec<PathBuf> {
    let line = list.lines().next().unwrap_or_default();
    let Some((_, paths)) = line.split_once(": ") else {
        return Vec::new();
    };
    let (mut all, mut path, mut characters) = (Vec::new(), String::new(), paths.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => path.extend(characters.next()),
            ' ' => all.push(std::mem::take(&mut path)),
            other => path.push(other),
        }
    }
    all.push(path);
    let all = all.into_iter().filter(|path| !path.is_empty());
    all.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_the_sources() {
        let list = "/t/worker.wasm: /w/a/src/lib.rs /w/my\\ types/src/lib.rs C:\\w\\b.rs\n";
        let sources = ["/w/a/src/lib.rs", "/w/my types/src/lib.rs", "C:\\w\\b.rs"];
        assert_eq!(in_list(list), sources.map(PathBuf::from));
        assert_eq!(in_list(""), Vec::<PathBuf>::new());
        assert_eq!(in_list("/t/worker.wasm:"), Vec::<PathBuf>::new());
    }
}
