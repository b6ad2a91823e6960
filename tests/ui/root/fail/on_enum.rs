#[canic::root]
enum Fleet {}

fn main() {}

//# not: error[E
