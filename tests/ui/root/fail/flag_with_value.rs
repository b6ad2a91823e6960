#[canic::root(http = "yes")]
struct Fleet;

fn main() {}

//# not: error[E
