//# not: needs a name

#[canic::root(role(name = worker))]
struct Fleet;

fn main() {}
