#[canic::role("worker")]
struct Worker;

fn init(n: u8) {
    let _ = n;
}

pub async fn start() {}

fn main() {}

//# not: error[E
