#[canic::root(pool(max = 3, cycels = "1T"))]
struct Fleet;

fn main() {}

//# not: error[E
