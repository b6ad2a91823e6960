//! Progress bars, on standard error and on terminals only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `total` steps of some work, with the time that is left.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    let bar = styled(total, "{msg} {bar:30} {pos}/{len} {eta}");
    bar.set_message(what);
    bar
}

/// A bar for work whose pace is not ours, so that nobody knows the time that is left.
pub(crate) fn watched() -> ProgressBar {
    styled(0, "{msg} {bar:30} {pos}/{len}")
}

fn styled(total: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    // The templates are constant; a wrong one would leave indicatif's own style.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// A bar that nobody sees.
pub(crate) fn hidden() -> ProgressBar {
    ProgressBar::hidden()
}
