//! A condition covers what the attribute generates, above it and below.

#[cfg(any())]
#[canic::role("other")]
struct Other;

#[canic::role("another")]
#[cfg(any())]
struct Another;

#[canic::role("worker")]
#[cfg(not(any()))]
struct Worker;

canic::export_candid!();

fn main() {}
