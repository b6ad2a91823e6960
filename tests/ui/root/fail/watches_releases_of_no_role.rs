#[canic::root(role(name = "directory", watches(releases)))]
struct Fleet;

fn main() {}

//# not: error[E
