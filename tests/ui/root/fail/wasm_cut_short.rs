#[canic::root(role(name = "worker", wasm = "fixtures/cut_short.wasm"))]
struct Fleet;

fn main() {}

//# not: error[E
