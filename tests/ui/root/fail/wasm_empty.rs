#[canic::root(role(name = "worker", wasm = "fixtures/empty.wasm"))]
struct Fleet;

fn main() {}

//# not: error[E
