#[canic::root(reserves = "5T")]
struct Fleet;

fn main() {}

//# not: error[E
