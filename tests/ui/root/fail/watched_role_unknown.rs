#[canic::root(role(name = "worker"), role(name = "directory", watches("wroker")))]
struct Fleet;

fn main() {}

//# not: error[E
