#[canic::root(role(name = "start"))]
struct Fleet;

fn main() {}
