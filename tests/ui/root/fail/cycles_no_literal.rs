#[canic::root(reserve = RESERVE)]
struct Fleet;

fn main() {}

//# not: error[E
