#[canic::update]
struct Work;

fn main() {}
