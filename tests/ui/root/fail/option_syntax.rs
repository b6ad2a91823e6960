//# not: needs a bound

#[canic::root(pool(min 2))]
struct Fleet;

fn main() {}
