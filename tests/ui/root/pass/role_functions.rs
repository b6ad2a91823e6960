//! Role functions of the root's type, each typed by the role's argument.

use canic::fleet::{Provision, ProvisionRole};

#[canic::root(
    role(name = "worker", args = u64),
    role(name = "type"),
    role(name = "user-list"),
)]
struct Fleet;

/// Names each role.
pub fn roles() -> (ProvisionRole<u64>, Provision, Provision) {
    (Fleet::worker(), Fleet::r#type(), Fleet::user_list())
}

canic::export_candid!();

fn main() {}
