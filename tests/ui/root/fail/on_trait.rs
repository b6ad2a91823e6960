#[canic::root]
trait Fleet {}

fn main() {}
