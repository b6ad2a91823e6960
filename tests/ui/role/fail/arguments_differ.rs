struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init(_owner: String) {}
    fn post_upgrade(_owner: u64) {}
}

fn main() {}

//# not: error[E
