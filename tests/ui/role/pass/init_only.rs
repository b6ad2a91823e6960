//! One hook, with a destructured argument and a plain return type.

struct Worker;

#[canic::role("worker")]
impl Worker {
    #[allow(clippy::unused_unit)]
    fn init((a, b): (u64, u64)) -> () {
        let _ = a + b;
    }
}

canic::export_candid!();

fn main() {}
