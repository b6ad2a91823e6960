//# not: stands first

#[canic::role("worker" http)]
struct Worker;

fn main() {}
