#[canic::root]
fn fleet() {}

fn main() {}

//# not: error[E
