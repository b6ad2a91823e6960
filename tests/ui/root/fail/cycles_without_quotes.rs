#[canic::root(reserve = 5T)]
struct Fleet;

fn main() {}

//# not: error[E
