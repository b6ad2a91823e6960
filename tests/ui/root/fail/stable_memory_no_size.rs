
#[canic::root(stable_memory = "64GB")]
struct Fleet;

fn main() {}

//# not: error[E
