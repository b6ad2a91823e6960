#[canic::root("worker")]
struct Fleet;

fn main() {}
