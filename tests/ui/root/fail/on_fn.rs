#[canic::root]
fn fleet() {}

fn main() {}
