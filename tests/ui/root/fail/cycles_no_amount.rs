#[canic::root(reserve = "plenty")]
struct Fleet;

fn main() {}

//# not: error[E
