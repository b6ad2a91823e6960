//# not: E0592
//# not: E0034

struct Worker;

#[canic::role("worker")]
impl Worker {
    fn pre_upgrade() {}
    fn pre_upgrade() {}
}

fn main() {}
