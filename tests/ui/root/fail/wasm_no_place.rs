#[canic::root(
    role(name = "worker", wasm = 5),
    role(name = "page", wasm = crate::page),
)]
pub struct Fleet;

fn main() {}

//# not: there is no file
