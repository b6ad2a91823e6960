#[canic::root(role(name = "worker", wasm = "fixtures/nowhere.wasm"))]
struct Fleet;

fn main() {}

//# not: error[E
