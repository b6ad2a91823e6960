#[canic::root(role(name = "worker", wasm = "/worker.wasm"))]
struct Fleet;

fn main() {}

//# not: error[E
