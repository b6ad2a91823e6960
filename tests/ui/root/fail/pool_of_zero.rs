#[canic::root(pool(max = 0))]
struct Fleet;

fn main() {}

//# not: error[E
