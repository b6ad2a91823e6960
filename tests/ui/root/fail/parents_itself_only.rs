#[canic::root(role(name = "tree", parents("tree")))]
struct Fleet;

fn main() {}

//# not: error[E
