#[canic::role]
struct Worker;

fn main() {}
