#[canic::role("worker")]
struct Worker;

impl Worker {
    fn init(n: u8) {
        let _ = n;
    }

    fn helper() {}

    fn post_upgrade(&self) {}
}

fn main() {}

//# not: error[E
