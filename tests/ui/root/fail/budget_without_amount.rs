#[canic::root(budget())]
struct Fleet;

fn main() {}

//# not: error[E
