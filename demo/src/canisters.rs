//! The canisters of the demo. `cargo xtask demo` builds them, too, while it builds the demo.

/// The packages of the canisters.
pub(crate) const CANISTERS: [&str; 5] = [
    "example-club",
    "example-page",
    "example-root",
    "example-worker",
    "fixture-faulty-worker",
];
