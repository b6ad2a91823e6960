#[canic::root(pool = 3)]
struct Fleet;

fn main() {}

//# not: error[E
