#[canic::root(role(name = "directory", watches("root")))]
struct Fleet;

fn main() {}

//# not: error[E
