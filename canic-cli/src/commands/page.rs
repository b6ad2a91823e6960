//! Pages of lists.

use crate::output::format;

/// The rows of a page; all behind `skip` if the limit is 0.
pub(crate) fn cut<T>(rows: Vec<T>, skip: usize, limit: usize) -> Vec<T> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    rows.into_iter().skip(skip).take(limit).collect()
}

/// The line that names the next page; nothing if all rows are shown.
pub(crate) fn next_page(skipped: usize, shown: usize, matching: usize, noun: &str) -> String {
    let end = skipped + shown;
    if shown >= matching {
        return String::new();
    }
    let first = (skipped + 1).min(end);
    let all = format::count(matching as u64, noun);
    format!("{first} to {end} of {all}; more with `--skip {end}` or `--limit 0`\n")
}
