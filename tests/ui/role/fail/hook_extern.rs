struct Worker;

#[canic::role("worker")]
impl Worker {
    extern "C" fn pre_upgrade() {}
}

fn main() {}

//# not: error[E
