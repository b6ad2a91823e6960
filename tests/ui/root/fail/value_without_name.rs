#[canic::root("worker")]
struct Fleet;

fn main() {}

//# not: error[E
