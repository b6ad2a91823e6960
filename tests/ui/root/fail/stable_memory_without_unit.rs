
#[canic::root(stable_memory = 64)]
struct Fleet;

fn main() {}

//# not: error[E
