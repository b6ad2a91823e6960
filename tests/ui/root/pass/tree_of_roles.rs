//! Parents that are roles, among them the role itself, and that root can reach.

#[canic::root(
    role(name = "leaf", parents("branch")),
    role(name = "branch", parents("branch", "root")),
)]
struct Fleet;

canic::export_candid!();

fn main() {}
