//! Progress bars, on standard error and on terminals only.

use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether nobody sees bars: they would write over the text of a watch.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// Hides the bars that begin from now on.
pub(crate) fn hide_bars() {
    HIDDEN.store(true, Ordering::Relaxed);
}

/// A bar for `total` steps of some work, with the time that is left.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    if HIDDEN.load(Ordering::Relaxed) {
        return hidden();
    }
    let bar = styled(total, "{msg} {bar:30} {pos}/{len} {eta}");
    bar.set_message(what);
    bar
}

/// A bar for work whose pace is not ours, so that nobody knows the time that is left.
pub(crate) fn watched() -> ProgressBar {
    styled(0, "{msg} {bar:30} {pos}/{len}")
}

/// A text on standard output that is written again in its place. Lines that the terminal has no
/// room for are left out.
pub(crate) fn screen() -> ProgressBar {
    let screen = styled(0, "{msg}");
    screen.set_draw_target(ProgressDrawTarget::stdout());
    screen
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
