#[canic::root(reserve = "5X")]
struct Fleet;

fn main() {}

//# not: error[E
