#[canic::root(
    budget(per_day = "1T"),
    role(name = "worker", fund(below = "7d", to = "30d", per_day = "2T"))
)]
struct Fleet;

fn main() {}

//# not: error[E
