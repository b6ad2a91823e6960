#[canic::role(worker)]
struct Worker;

fn main() {}
