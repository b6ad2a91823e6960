#[canic::root(pool(min = 3, max = 2))]
struct Fleet;

fn main() {}

//# not: error[E
