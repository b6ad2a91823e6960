#[canic::root(
    role(name = "worker"),
    role(name = "aa", watches("worker", relases)),
    role(name = "bb", watches(worker)),
    role(name = "cc", watches("worker", releases = true)),
    role(name = "dd", watches("worker", 3)),
)]
struct Fleet;

fn main() {}

//# not: error[E
