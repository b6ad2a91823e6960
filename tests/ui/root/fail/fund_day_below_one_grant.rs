#[canic::root(role(name = "worker", fund(below = "0.5T", to = "2T", per_day = "1T")))]
struct Fleet;

fn main() {}

//# not: error[E
