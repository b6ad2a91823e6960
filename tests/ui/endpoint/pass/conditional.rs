//! A conditional endpoint, whose export has the same condition.

#[canic::update]
#[cfg(any())]
fn never() -> Missing {
    missing()
}

/// Documented, and in the Candid interface too.
#[canic::query]
#[cfg(debug_assertions)]
fn always() -> u64 {
    7
}

canic::export_candid!();

fn main() {}
