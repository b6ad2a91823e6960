#[canic::root(role(name = "worker", controllers("ryjl3-tyaaa-aaaaa-aaaba-cay")))]
struct Fleet;

fn main() {}

//# not: error[E
