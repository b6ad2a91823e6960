//! Functions of a member for the roles that it provisions, its own role among them.

use canic::fleet::{Provision, ProvisionRole, ProvisionWith};

/// The hub.
pub struct Hub;

#[canic::role(
    "hub",
    child(name = "shard", args = (u64, String)),
    child(name = "user-list"),
    child(name = "hub")
)]
impl Hub {
    fn init(_: u64) {}
}

/// Names each kind of child.
pub fn children() -> (ProvisionWith<(u64, String)>, Provision, Provision) {
    let shard: ProvisionRole<_> = Hub::shard();
    let shard = shard.key("first").args((1, String::new()));
    (shard, Hub::user_list().key("all"), Hub::hub())
}

canic::export_candid!();

fn main() {}
