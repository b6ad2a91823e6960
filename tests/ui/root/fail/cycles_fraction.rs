#[canic::root(reserve = "0.0000001M")]
struct Fleet;

fn main() {}

//# not: error[E
