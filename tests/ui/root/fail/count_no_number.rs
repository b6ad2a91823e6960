//# not: needs a bound

#[canic::root(pool(max = "10"))]
struct Fleet;

fn main() {}
