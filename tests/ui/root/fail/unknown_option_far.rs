#[canic::root(colour = "red")]
struct Fleet;

fn main() {}

//# not: error[E
