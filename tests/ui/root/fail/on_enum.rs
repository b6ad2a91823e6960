#[canic::root]
enum Fleet {}

fn main() {}
