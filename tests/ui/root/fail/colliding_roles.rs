//# not: duplicate definitions

#[canic::root(role(name = "user-list"), role(name = "user_list"))]
struct Fleet;

fn main() {}
