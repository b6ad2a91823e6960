#[canic::root]
const FLEET: u8 = 0;

fn main() {}

//# not: error[E
