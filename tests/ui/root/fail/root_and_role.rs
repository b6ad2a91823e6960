#[canic::root]
struct Fleet;

#[canic::role("worker")]
struct Worker;

fn main() {}
