#[canic::root(role(max = 3))]
struct Fleet;

fn main() {}

//# not: error[E
