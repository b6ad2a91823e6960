#[canic::root(pool(min = 2))]
struct Fleet;

fn main() {}

//# not: error[E
