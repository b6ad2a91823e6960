#[canic::root(
    budget(per_day = "1T"),
    role(name = "worker", fund(below = "0.5T", to = "2T"))
)]
struct Fleet;

fn main() {}

//# not: error[E
