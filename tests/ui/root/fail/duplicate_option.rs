#[canic::root(reserve = "1T", http, reserve = "2T")]
struct Fleet;

fn main() {}

//# not: error[E
