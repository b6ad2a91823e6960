#[canic::root(role(name = "worker", wasm = worker))]
pub struct Fleet;

fn main() {}

//# not: no module of
