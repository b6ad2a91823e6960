//! Parents may be roles, the role itself among them, if root can reach them.

#[canic::root(
    role(name = "leaf", parents("branch")),
    role(name = "branch", parents("branch", "root")),
)]
struct Fleet;

canic::export_candid!();

fn main() {}
