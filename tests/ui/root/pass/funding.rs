//! Grants by time and by amount, with limits and without them.

/// The fleet.
#[canic::root(
    budget(per_day = "20T"),
    role(name = "days", fund(below = "7d", to = "30d", per_day = "1T")),
    role(name = "hours", fund(below = "36h", to = "10d")),
    role(name = "amounts", fund(below = "0.5T", to = "2T", per_day = "1.5T")),
    role(name = "never")
)]
pub struct Fleet;

canic::export_candid!();

fn main() {}
