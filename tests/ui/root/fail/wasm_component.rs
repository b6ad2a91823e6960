#[canic::root(role(name = "worker", wasm = "fixtures/component.wasm"))]
struct Fleet;

fn main() {}

//# not: error[E
