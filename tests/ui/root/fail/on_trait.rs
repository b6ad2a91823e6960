#[canic::root]
trait Fleet {}

fn main() {}

//# not: error[E
