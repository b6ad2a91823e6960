#[canic::root(role(name = "worker", wasm = "fixtures/text.wasm"))]
struct Fleet;

fn main() {}

//# not: error[E
