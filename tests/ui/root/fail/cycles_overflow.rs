#[canic::root(reserve = "999999999999999999999999999T")]
struct Fleet;

fn main() {}

//# not: error[E
