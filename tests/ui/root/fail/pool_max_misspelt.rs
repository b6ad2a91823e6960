//# not: needs a bound

#[canic::root(pool(maxx = 2))]
struct Fleet;

fn main() {}
