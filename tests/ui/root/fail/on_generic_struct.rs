#[canic::root]
struct Fleet<const N: usize>;

fn main() {}

//# not: error[E
