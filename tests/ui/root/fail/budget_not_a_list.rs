#[canic::root(budget = "20T")]
struct Fleet;

fn main() {}

//# not: error[E
