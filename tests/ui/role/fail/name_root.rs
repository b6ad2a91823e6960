#[canic::role("root")]
struct Worker;

fn main() {}
