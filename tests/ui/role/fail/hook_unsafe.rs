struct Worker;

#[canic::role("worker")]
impl Worker {
    unsafe fn pre_upgrade() {}
}

fn main() {}

//# not: error[E
