#[canic::root(crate = "other")]
struct Fleet;

fn main() {}

//# not: error[E
