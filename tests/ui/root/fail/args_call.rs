#[canic::root(role(name = "worker", args = Args::new()))]
struct Fleet;

fn main() {}

//# not: error[E
