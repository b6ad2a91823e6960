//! Progress bars, on standard error and on terminals only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `total` steps of some work.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    // The template is constant; a wrong one would leave indicatif's own style.
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// A bar that nobody sees.
pub(crate) fn hidden() -> ProgressBar {
    ProgressBar::hidden()
}
