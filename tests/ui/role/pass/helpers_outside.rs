//! Other functions of the type, in another block.

struct Worker;

#[canic::role("worker")]
impl Worker {
    fn post_upgrade() {
        Self::count();
    }
}

impl Worker {
    fn count() {}
}

canic::export_candid!();

fn main() {}
